"""What assemble does to installed packages: their tests go, their bytecode comes, from a cache where it can."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "builders" / "base" / "packages.py"
FILES = {
    "good/__init__.py": "NAMES = {'one', 'two', 'three', 'four'}\n",
    "good/deep/part.py": "def f(x, *, scale=2.5):\n    return x in {'a', 'b', 'c'}\n",
    "good/tests/__init__.py": "",
    "good/tests/test_part.py": "assert True\n",
    "good/deep/tests/__init__.py": "",
    "good/deep/tests/data.txt": "large",
    "needy/__init__.py": "from needy.tests.runner import run\n",
    "needy/tests/__init__.py": "",
    "needy/tests/runner.py": "def run(): ...\n",
    "single.py": "VALUE = 1\n",
    "old.py": "print 'Python 2'\n",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return install(tmp_path / "site")


def install(site: Path) -> Path:
    """Two distributions and a module, as an installer leaves them."""
    for name, text in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    for distribution, names in {"good": ("good", "old"), "needy": ("needy", "single")}.items():
        record = site / f"{distribution}-1.0.dist-info" / "RECORD"
        record.parent.mkdir()
        listed = [f"{name},sha256=x,1" for name in FILES if name.split("/")[0].removesuffix(".py") in names]
        record.write_text("\n".join([*listed, "../../bin/good,,", "/etc/passwd.py,,"]) + "\n")
    return site


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def bytecode(site: Path) -> dict[str, str]:
    return {
        str(path.relative_to(site)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(site.rglob("*.pyc"))
    }


def test_tests_go_where_nothing_imports_them(site: Path) -> None:
    run("slim", site)
    assert not (site / "good" / "tests").exists()
    assert not (site / "good" / "deep" / "tests").exists()
    assert (site / "good" / "deep" / "part.py").exists()
    assert (site / "needy" / "tests" / "runner.py").exists()


def test_bytecode_is_the_same_every_time_and_from_the_cache(site: Path, tmp_path: Path) -> None:
    run("compile", site)
    expected = bytecode(site)
    assert len(expected) == len([name for name in FILES if name.endswith(".py")]) - 1  # but for old.py
    for name in ("first", "second"):
        again = install(tmp_path / name / "site")
        run("compile", again, tmp_path / "cache")
        assert bytecode(again).keys() == expected.keys()
        if name == "first":
            compiled = bytecode(again)
    assert bytecode(again) == compiled  # though its files lie elsewhere: they came from the cache


def test_it_is_imported_without_its_source_being_looked_at(site: Path) -> None:
    run("compile", site)
    (site / "single.py").write_text("VALUE = 2\n")
    command = [sys.executable, "-c", "import single; print(single.VALUE)"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"


@pytest.mark.parametrize("damage", ["cut", "flipped", "escaping", "nonsense"])
def test_a_damaged_cache_is_compiled_anew(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = install(tmp_path / "first" / "site")
    run("compile", first, cache)
    for archive in cache.glob("*.zip"):
        content = bytearray(archive.read_bytes())
        if damage == "cut":
            archive.write_bytes(content[: len(content) // 2])
        elif damage == "flipped":
            content[100] ^= 0xFF
            archive.write_bytes(content)
        elif damage == "nonsense":
            archive.write_text("nothing")
        else:
            with zipfile.ZipFile(archive, "w") as packed:
                packed.writestr("../../escaped.pyc", b"x")
    second = install(tmp_path / "second" / "site")
    run("compile", second, cache)
    assert bytecode(second).keys() == bytecode(first).keys()
    assert not list(tmp_path.rglob("escaped.pyc"))
    assert all(zipfile.ZipFile(archive).testzip() is None for archive in cache.glob("*.zip"))
    assert not list(cache.glob("*.part"))


def test_without_room_for_a_cache_there_is_none(site: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o500)
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    assert "warning" in run("compile", site, tmp_path / "cache").stderr
    assert bytecode(site)
