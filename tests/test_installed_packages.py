"""What assemble does to installed packages: their tests go, their bytecode comes, from a cache where it can."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "builders" / "base"
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


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": "0"},
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


@pytest.mark.parametrize(
    ("module", "text", "kept"),
    [
        ("a/b/use.py", "from a.b.tests.tool import run\n", {"a/b/tests"}),
        ("a/b/use.py", "from a.b import other, tests\n", {"a/b/tests"}),
        ("a/b/use.py", "try:\n    import json, a.tests.tool as tool\nexcept ImportError: ...\n", {"a/tests"}),
        ("a/b/use.py", "from .tests import tool\n", {"a/b/tests"}),
        ("a/b/use.py", "from ..tests.tool import run\n", {"a/tests"}),
        ("a/__init__.py", "from .tests import tool\n", {"a/tests"}),
        ("other/__init__.py", "import a.tests.tool\n", {"a/tests"}),
        ("a/use.py", "from a.c.tests import tool\n", {"a/c/tests", "a/tests"}),  # by way of one another
        ("a/use.py", "from tests import tool\nfrom a.tests_of import a\nTEXT = 'import a.tests'\n", set()),
        ("a/use.py", "from a import b  # with tests\n", set()),
        ("a/use.py", "from ...... import tests\n", set()),
    ],
)
def test_what_is_imported_stays(tmp_path: Path, module: str, text: str, kept: set[str]) -> None:
    site = tmp_path / "site"
    folders = {"a/tests", "a/b/tests", "a/c/tests"}
    for folder in (*folders, *map(os.path.dirname, folders), "other"):
        (site / folder).mkdir(parents=True, exist_ok=True)
        (site / folder / "__init__.py").touch()
    (site / "a/c/tests/tool.py").write_text("from ...tests import tool\n")
    (site / module).write_text(text)
    run("slim", site)
    assert {folder for folder in folders if (site / folder).exists()} == kept


def test_bytecode_is_the_same_every_time_and_from_the_cache(site: Path, tmp_path: Path) -> None:
    run("bytecode", site)
    expected = bytecode(site)
    assert len(expected) == len([name for name in FILES if name.endswith(".py")]) - 1  # but for old.py
    for name in ("first", "second"):
        again = install(tmp_path / name / "site")
        run("bytecode", again, tmp_path / "cache")
        assert bytecode(again).keys() == expected.keys()
        if name == "first":
            compiled = bytecode(again)
    assert bytecode(again) == compiled  # though its files lie elsewhere: they came from the cache


def test_it_is_imported_without_its_source_being_looked_at(site: Path) -> None:
    run("bytecode", site)
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
    run("bytecode", first, cache)
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
    run("bytecode", second, cache)
    assert bytecode(second).keys() == bytecode(first).keys()
    assert not list(tmp_path.rglob("escaped.pyc"))
    assert all(zipfile.ZipFile(archive).testzip() is None for archive in cache.glob("*.zip"))
    assert not list(cache.glob("*.part"))


def test_without_room_for_a_cache_there_is_none(site: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o500)
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    assert "warning" in run("bytecode", site, tmp_path / "cache").stderr
    assert bytecode(site)
