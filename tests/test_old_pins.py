"""Which pins have no wheel for the images' Python, and what they are moved to, by an index of a few packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from package_index import sdist, served, wheel
from test_resolving import PLATFORM, Images

from trainyard.errors import TrainyardError
from trainyard.host.requirements.compiling import Compiler
from trainyard.host.requirements.edited_files import edited_files, reader_of
from trainyard.host.requirements.old_pins import Move, find_moves, moved_specifier
from trainyard.host.requirements.requirement_files import Requirement, read_requirement
from trainyard.settings.host import HostSettings

OLD, NOW = f"cp38-cp38-{PLATFORM}", f"cp312-cp312-{PLATFORM}"
YANKED = wheel("tool", "1.2", tag=NOW)


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    packages = [
        wheel("tool", "0.9", tag=NOW), wheel("tool", "1.0", tag=OLD), wheel("tool", "1.1", tag=OLD), YANKED,
        wheel("tool", "1.3rc1", tag=NOW), wheel("tool", "1.3", tag=NOW), wheel("tool", "1.4", tag=NOW),
        wheel("tool", "2.0", tag=NOW), wheel("next", "1.0", tag=OLD), wheel("next", "2.0rc1", tag=NOW),
        wheel("next", "2.1", tag=NOW), wheel("next", "3.0", tag=NOW), wheel("back", "1.5", tag=NOW),
        wheel("back", "1.7", tag=NOW), wheel("back", "2.0", tag=OLD), wheel("early", "1.0rc1", tag=OLD),
        wheel("early", "1.0rc2", tag=NOW), wheel("early", "1.0", tag=NOW), wheel("any", "1.0"), wheel("any", "2.0"),
        sdist("source", "1.0"), wheel("source", "2.0"), wheel("gone", "1.0", tag=OLD),
        wheel("pythons", "1.0", tag=OLD), wheel("pythons", "1.1", python=">=3.13"), wheel("pythons", "1.2"),
        wheel("windows", "1.0", tag=OLD), wheel("windows", "1.1", tag="cp312-cp312-win_amd64"), wheel("windows", "1.2"),
    ]  # fmt: skip
    with served(*packages, yanked=[YANKED[0]]) as url:
        yield url


@pytest.fixture(scope="module")
def asked(index: str) -> Compiler:
    images = Images(HostSettings.read({"INDEX_URL": index}))
    return Compiler(images.settings, lambda: images)


def read(folder: Path, text: str) -> Requirement:
    path = folder / "requirements_train.txt"
    path.write_text(text)
    return read_requirement(path, folder, folder / "cache")


def moves(asked: Compiler, folder: Path, text: str) -> list[Move]:
    return find_moves([read(folder, text)], asked, HostSettings.read({"INDEX_URL": asked.settings.index_url}))


@pytest.mark.parametrize(
    ("pin", "version"),
    [
        ("tool==1.0", "1.3"),  # not 1.1 (no wheel), 1.2 (yanked), 1.3rc1, 0.9 or 2.0
        ("tool[extra] == 1.0 ; python_version > '3'", "1.3"),
        ("tool>=1.0,<1.2", "1.3"),
        ("tool~=1.0.0", "1.3"),
        ("tool==1.1.*", "1.3"),
        ("tool>=1.0,!=1.3,<=1.1", "1.4"),
        ("next==1.0", "2.1"),
        ("back==2.0", "1.7"),
        ("early==1.0rc1", "1.0rc2"),
        ("pythons==1.0", "1.2"),
        ("windows==1.0", "1.2"),
    ],
)
def test_a_pin_without_a_wheel_moves_to_the_nearest_version(
    asked: Compiler, tmp_path: Path, pin: str, version: str
) -> None:
    assert [move.version for move in moves(asked, tmp_path, f"{pin}\n")] == [version]


def test_all_else_stays(asked: Compiler, tmp_path: Path) -> None:
    """A wheel for every Python, one that is there, a source, a package without a way out, another Python's line."""
    stays = "any==1.0\nany<2\ntool==1.3\ntool>=1.0\nsource==1.0\ngone==1.0\nunheard-of==1.0\n"
    stays += "tool==1.0 ; python_version < '3.9'\ntool==1.2\n"
    assert moves(asked, tmp_path, stays) == []


def test_the_reason_names_the_line_the_python_and_what_becomes_of_hashes(asked: Compiler, tmp_path: Path) -> None:
    (move,) = moves(asked, tmp_path, f"any==1.0\ntool==1.0 --hash=sha256:{'0' * 64}\n")
    assert f"{tmp_path}/requirements_train.txt:2 (tool==1.0) has no wheel for Python 3.12: moved to 1.3" in move.reason
    assert "its 1 --hash, of other files, taken out" in move.reason


def test_included_files_and_constraints_are_moved_where_they_stand(asked: Compiler, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("next==1.0\n")
    (tmp_path / "limits.txt").write_text("# limits\ntool>0.9,<1.1\n")
    found = moves(asked, tmp_path, "any\n-r more.txt\n-c limits.txt\n")
    contents = edited_files(found, tmp_path)
    assert {path.name: text for path, text in contents.items()} == {
        "more.txt": b"next==2.1\n",
        "limits.txt": b"# limits\ntool>0.9,<=1.3\n",
    }
    assert (tmp_path / "more.txt").read_text() == "next==1.0\n"
    path = tmp_path / "requirements_train.txt"
    later = read_requirement(path, tmp_path, tmp_path / "cache", reader_of(contents))
    assert (later.lines[-1].text, later.constraints) == ("next==2.1", "tool>0.9,<=1.3\n")


def test_an_index_of_the_file_itself_is_asked(asked: Compiler, index: str, tmp_path: Path) -> None:
    with served() as elsewhere:
        images = Images(HostSettings.read({"INDEX_URL": elsewhere}))
        found = moves(Compiler(images.settings, lambda: images), tmp_path, f"--extra-index-url {index}\nnext==1.0\n")
        assert [move.version for move in found] == ["2.1"]


@pytest.mark.slow
def test_an_index_that_does_not_answer_is_an_error_and_no_answer(tmp_path: Path) -> None:
    images = Images(HostSettings.read({"INDEX_URL": "http://127.0.0.1:9/simple"}))
    with pytest.raises(TrainyardError, match="cannot be reached"):
        moves(Compiler(images.settings, lambda: images), tmp_path, "tool==1.0\n")


@pytest.mark.parametrize(
    ("old", "version", "new"),
    [
        ("==1.21.6", "1.26.0", "==1.26.0"),
        ("=== 1.21", "1.26.0", "=== 1.26.0"),
        (">=1.2, <1.4", "1.5.0", ">=1.2, <=1.5.0"),
        ("~=1.21.0,!=1.22", "1.26.2", "~=1.26.2,!=1.22"),
        ("==1.21.*", "1.26.2", "==1.26.*"),
        ("==1.*", "2", "==2.*"),
        (">=2,<3", "1.9", "==1.9"),
        ("<1.4,!=1.5", "1.5", "==1.5"),
    ],
)
def test_a_specifier_is_as_exact_as_before(old: str, version: str, new: str) -> None:
    assert moved_specifier(old, version) == new
