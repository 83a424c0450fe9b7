"""What assemble does to installed packages: looks whether they are whole, leaves out their tests, adds bytecode, from a
cache where it can; in place, or while it copies them."""

from __future__ import annotations

import base64
import hashlib
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from trainyard.host.support.context import OLDEST_TIME

PREPARE = Path(__file__).parents[1] / "builders" / "base" / "prepare.py"
SITE = "lib/python3.11/site-packages"
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
TESTS = {name for name in FILES if name.startswith("good/") and "/tests/" in name}


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    return install(tmp_path / "venv")


def install(venv: Path) -> Path:
    """Two distributions and a module, as an installer leaves them."""
    site = venv / SITE
    for name, text in FILES.items():
        write(site / name, text)
    for distribution, names in {"good": ("good", "old"), "needy": ("needy", "single")}.items():
        info = f"{distribution}-1.0.dist-info"
        write(site / info / "METADATA", f"Name: {distribution}\n")
        own = [name for name in FILES if name.split("/")[0].removesuffix(".py") in names]
        listed = [f"{name},{digest(site / name)},1" for name in [*own, f"{info}/METADATA"]]
        write(
            site / info / "RECORD", "\n".join([*listed, f"{info}/RECORD,,", "../../../bin/good,,", "/etc/passwd.py,,"])
        )
    write(venv / "bin" / "good", "#!/bin/sh\n")
    (venv / "bin" / "good").chmod(0o755)
    return venv


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def digest(path: Path) -> str:
    """As RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def start(installed: Path, venv: Path, cache: object = "", *accepted: str, **options: object) -> tuple[int, str, str]:
    """Status, output and complaints of preparing ``venv``."""
    command = [sys.executable, str(PREPARE), str(installed), str(venv), str(cache), *accepted]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(OLDEST_TIME),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    return done.returncode, done.stdout.strip(), done.stderr


def prepare(venv: Path, cache: object = "") -> Path:
    """In place; where its packages are."""
    assert start(venv, venv, cache) == (0, "", "")
    return venv / SITE


def files(venv: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of each file but bytecode."""
    found = (path for path in venv.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(venv)): (path.read_bytes(), path.stat().st_mode) for path in found}


def bytecode(site: Path) -> dict[str, str]:
    return {
        str(path.relative_to(site)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(site.rglob("*.pyc"))
    }


def test_tests_go_where_nothing_imports_them(venv: Path) -> None:
    site = prepare(venv)
    assert not (site / "good" / "tests").exists()
    assert not (site / "good" / "deep" / "tests").exists()
    assert (site / "good" / "deep" / "part.py").exists()
    assert (site / "needy" / "tests" / "runner.py").exists()


@pytest.mark.slow
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
    site = tmp_path / "venv" / SITE
    folders = {"a/tests", "a/b/tests", "a/c/tests"}
    for folder in (*folders, *map(os.path.dirname, folders), "other"):
        (site / folder).mkdir(parents=True, exist_ok=True)
        (site / folder / "__init__.py").touch()
    (site / "a/c/tests/tool.py").write_text("from ...tests import tool\n")
    (site / module).write_text(text)
    prepare(tmp_path / "venv")
    assert {folder for folder in folders if (site / folder).exists()} == kept


@pytest.mark.slow
def test_elsewhere_there_is_what_there_would_be_in_place(venv: Path, tmp_path: Path) -> None:
    before = files(venv)
    for path in venv.rglob("*"):
        path.chmod(path.stat().st_mode & ~0o222)  # as files of a cache, which are linked and not to be changed
    (tmp_path / "new/bin").mkdir(parents=True)
    (tmp_path / "new").chmod(0o2775)
    assert start(venv, tmp_path / "new") == (0, "", "")
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o2775
    assert {name: content for name, (content, _) in files(venv).items()} == {
        n: content for n, (content, _) in before.items()
    }
    assert not list(venv.rglob("*.pyc"))
    left = {name: content for name, (content, _) in before.items() if name.removeprefix(f"{SITE}/") not in TESTS}
    assert {name: content for name, (content, _) in files(tmp_path / "new").items()} == left
    assert (tmp_path / "new/bin/good").stat().st_mode & 0o111 == 0o111
    assert {path.stat().st_mtime for path in (tmp_path / "new" / SITE).rglob("*.py")} == {OLDEST_TIME}
    again = install(tmp_path / "again")
    assert bytecode(prepare(again)).keys() == bytecode(tmp_path / "new" / SITE).keys()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("good/deep/part.py", cut),
        ("good/deep/part.py", Path.unlink),
        ("good/deep/part.py", lambda path: path.write_bytes(path.read_bytes().replace(b"2.5", b"3.5"))),
        ("good-1.0.dist-info/METADATA", Path.unlink),
        ("good-1.0.dist-info/RECORD", Path.unlink),
        ("good-1.0.dist-info/RECORD", lambda path: path.write_bytes(path.read_bytes()[:150])),
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_damaged_package_is_named(
    venv: Path, tmp_path: Path, name: str, damage: Callable[[Path], object], *, elsewhere: bool
) -> None:
    damage(venv / SITE / name)
    goal = tmp_path / "new" if elsewhere else venv
    assert start(venv, goal) == (0, "good", "")
    assert not bytecode(goal)
    assert start(venv, goal, "", "needy") == (0, "good", ""), "another is accepted"
    # Of a package that was made so nobody can have a better one.
    assert start(venv, goal, "", "good") == (0, "good", "")
    assert bytecode(goal)


@pytest.mark.slow
def test_what_two_packages_bring_is_nobodys(venv: Path) -> None:
    for package in ("good", "needy"):
        with (venv / SITE / f"{package}-1.0.dist-info" / "RECORD").open("a") as record:
            record.write(f"\nshared.py,sha256={package},1\n")
    (venv / SITE / "shared.py").touch()
    prepare(venv)


@pytest.mark.slow
def test_without_room_it_says_so(venv: Path, tmp_path: Path) -> None:
    (venv / SITE / "good" / "model.bin").write_bytes(bytes(100_000))
    status, printed, complaint = start(
        venv, tmp_path / "new", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    )
    assert (status, complaint) == (1, "")
    assert printed.endswith("File too large")


@pytest.mark.slow
def test_bytecode_is_the_same_every_time_and_from_the_cache(venv: Path, tmp_path: Path) -> None:
    expected = bytecode(prepare(venv))
    assert len(expected) == len([name for name in FILES.keys() - TESTS if name.endswith(".py")]) - 1  # but for old.py
    for name in ("first", "second"):
        again = prepare(install(tmp_path / name), tmp_path / "cache")
        assert bytecode(again).keys() == expected.keys()
        if name == "first":
            compiled = bytecode(again)
    assert bytecode(again) == compiled  # though its files lie elsewhere: they came from the cache


@pytest.mark.slow
def test_it_is_imported_without_its_source_being_looked_at(venv: Path) -> None:
    site = prepare(venv)
    (site / "single.py").write_text("VALUE = 2\n")
    command = [sys.executable, "-c", "import single; print(single.VALUE)"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "flipped", "escaping", "nonsense"])
def test_a_damaged_cache_is_compiled_anew(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = prepare(install(tmp_path / "first"), cache)
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
    second = prepare(install(tmp_path / "second"), cache)
    assert bytecode(second).keys() == bytecode(first).keys()
    assert not list(tmp_path.rglob("escaped.pyc"))
    assert all(zipfile.ZipFile(archive).testzip() is None for archive in cache.glob("*.zip"))
    assert not list(cache.glob("*.part"))


def test_without_room_for_a_cache_there_is_none(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o500)
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    status, printed, complaint = start(venv, venv, tmp_path / "cache")
    assert (status, printed) == (0, "")
    assert "warning" in complaint
    assert bytecode(venv / SITE)
