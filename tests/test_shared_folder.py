"""A folder that containers write to: whatever lies in it, the host stays in it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from trainyard.host.support.shared_folder import SharedFolder

SECRET = "of the host"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no container has."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    return folder


@pytest.fixture
def run(tmp_path: Path, outside: Path) -> Path:
    """A run's folder with links out of it."""
    folder = tmp_path / "runs" / "one"
    (folder / "inner").mkdir(parents=True)
    (folder / "plain").write_text("its own")
    (folder / "inner" / "deep").write_text("deep")
    (folder / "file").symlink_to(outside / "secret")
    (folder / "folder").symlink_to(outside)
    (folder / "inner" / "absolute").symlink_to("/etc/hostname")
    return folder


@pytest.fixture
def shared(run: Path) -> SharedFolder:
    return SharedFolder.of_run(run)


def unchanged(outside: Path) -> bool:
    return [(path.name, path.read_text()) for path in outside.iterdir()] == [("secret", SECRET)]


LINKS = ["file", "folder/secret", "inner/absolute"]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_is_never_read(shared: SharedFolder, name: str, tmp_path: Path) -> None:
    for act in (shared.read, shared.read_json, shared.sha256, shared.append):
        with pytest.raises(OSError, match="a link, which is not followed") as caught:
            act(name)
        assert caught.value.filename.startswith(str(shared.path))
    assert not shared.is_file(name)
    for take in (shared.copy_to, shared.link_to):
        with pytest.raises(OSError, match="a link, which is not followed"):
            take(name, tmp_path / "taken")
        assert not os.path.lexists(tmp_path / "taken")


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "two").symlink_to(outside)
    shared = SharedFolder.of_run(tmp_path / "runs" / "two")
    acts = (shared.names, lambda: list(shared.files()), lambda: shared.write("new", "x"), lambda: shared.read("secret"))
    for act in acts:
        with pytest.raises(OSError, match="a link, which is not followed"):
            act()
    assert unchanged(outside)


def test_the_folder_above_may_be_reached_by_a_link(tmp_path: Path, run: Path) -> None:
    """People put runs/ and models/ on another disk."""
    (tmp_path / "elsewhere").symlink_to(run.parent)
    assert SharedFolder.of_run(tmp_path / "elsewhere" / "one").read("plain") == b"its own"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("make", [pipe, bound, Path.mkdir])
def test_what_is_no_file_is_not_opened(shared: SharedFolder, run: Path, make: Callable[[Path], None]) -> None:
    make(run / "odd")
    for act in (shared.read, shared.append, shared.sha256):
        with pytest.raises(OSError, match="not a regular file"):
            act("odd")
    assert "odd" not in dict(shared.files())
    shared.remove("odd")
    assert "odd" not in shared.names()


@pytest.mark.parametrize("name", ["../two/file", "/etc/hostname", "inner/../../x", "a\0b"])
def test_a_name_leads_to_nowhere_else(shared: SharedFolder, name: str) -> None:
    for act in (shared.read, lambda name: shared.write(name, "x"), shared.remove, shared.make_folder):
        with pytest.raises(OSError, match="leads out of its folder"):
            act(name)


def test_writing_takes_the_place_of_a_link(shared: SharedFolder, run: Path, outside: Path) -> None:
    shared.write("file", "new")
    shared.write("plain", b"newer")
    assert not (run / "file").is_symlink()
    assert (shared.read("file"), shared.read("plain")) == (b"new", b"newer")
    with pytest.raises(OSError, match="a link, which is not followed"):
        shared.write("folder/new", "x")
    with pytest.raises(OSError, match="a link, which is not followed"):
        shared.make_folder("folder/new")
    assert unchanged(outside)
    assert not [name for name in shared.names() if name.endswith(".part")]


def test_removing_removes_the_link_alone(shared: SharedFolder, run: Path, outside: Path) -> None:
    shared.make_folder("more/inner")
    (run / "more" / "inner" / "out").symlink_to(outside)
    for name in ("file", "folder", "more", "not-there"):
        shared.remove(name)
    assert shared.names() == ["inner", "plain"]
    with pytest.raises(OSError, match="a link, which is not followed"):
        shared.remove("inner/absolute/x")
    assert unchanged(outside)


def test_the_files_are_its_own(shared: SharedFolder) -> None:
    assert sorted(name for name, _ in shared.files()) == ["inner/deep", "plain"]


def test_a_file_is_taken_out_of_it(shared: SharedFolder, run: Path, tmp_path: Path) -> None:
    shared.link_to("inner/deep", tmp_path / "linked")
    shared.copy_to("inner/deep", tmp_path / "copied")
    assert (tmp_path / "linked").samefile(run / "inner" / "deep")
    assert (tmp_path / "copied").read_text() == "deep"


def test_a_log_grows_at_its_end(shared: SharedFolder) -> None:
    for text in (b"one\n", b"two\n"):
        with shared.append("log") as log:
            log.write(text)
    assert shared.read("log") == b"one\ntwo\n"
    with pytest.raises(FileNotFoundError) as caught:
        shared.read("absent")
    assert caught.value.errno == errno.ENOENT
