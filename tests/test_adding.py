"""New files are added beside what is there: all of them, or none."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from trainyard.host.scaffold.adding import add, plan


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    folder = tmp_path / "rendered"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "new.txt").write_text("ours\n")
    (folder / "top.txt").write_text("ours\n")
    return folder


def test_what_is_there_with_the_same_content_is_not_in_the_way(rendered: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "top.txt").write_text("ours\n")
    found = plan(rendered, target)
    assert (found.written, found.in_the_way) == ([PurePosixPath("a/b/new.txt")], [])


@pytest.mark.parametrize("kind", ["file", "link to nothing", "folder", "file where a folder belongs"])
def test_what_is_in_the_way_is_named_and_stays(rendered: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    if kind == "file where a folder belongs":
        (target / "a").write_text("mine\n")
    elif kind == "file":
        (target / "top.txt").write_text("mine\n")
    elif kind == "folder":
        (target / "top.txt").mkdir()
    else:
        (target / "top.txt").symlink_to("nowhere")
    found = plan(rendered, target)
    assert found.in_the_way == [PurePosixPath("a" if kind == "file where a folder belongs" else "top.txt")]
    add(rendered, target, found.written)
    assert (target / "top.txt").is_symlink() == (kind == "link to nothing")


def test_a_failure_leaves_what_was_there_before(rendered: Path, tmp_path: Path) -> None:
    target = tmp_path / "not there" / "target"
    (rendered / "z").symlink_to("nowhere")  # cannot be read
    with pytest.raises(OSError, match="No such file"):
        add(rendered, target, [PurePosixPath("a/b/new.txt"), PurePosixPath("top.txt"), PurePosixPath("z")])
    assert not (tmp_path / "not there").exists()


def test_a_full_disk_is_named_by_what_was_to_be_written(rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "top.txt").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        add(rendered, tmp_path / "target", [PurePosixPath("top.txt")])
    assert caught.value.filename == str(tmp_path / "target" / "top.txt")
