"""Requirements files with moved versions: everything else in them stays, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.requirements.edited_files import edited_files, reader_of
from trainyard.host.requirements.old_pins import Move
from trainyard.host.requirements.requirement_files import read_requirement
from trainyard.host.requirements.requirement_text import logical_lines, read_requirement_text

HASH = f"--hash=sha256:{'0' * 64}"


def edited(folder: Path, content: bytes, name: str = "requirements.txt") -> bytes:
    """With every line of the package ``old`` moved to 2.5."""
    path = folder / name
    path.write_bytes(content)
    lines = [line for line in logical_lines(path, read_requirement_text(path)) if line.package == "old"]
    return edited_files([Move(line, "2.5", "3.12") for line in lines], folder)[path.resolve()]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("old==1.0", "old==2.5"),
        ("# a\n\nOld [x, y] == 1.0 ; python_version > '3'  # b\nother==1.0\n",
         "# a\n\nOld [x, y] == 2.5 ; python_version > '3'  # b\nother==1.0\n"),
        ("a\r\nold==1.0\r\nb==1.0\r\n", "a\r\nold==2.5\r\nb==1.0\r\n"),
        ("old (>=0.5,<1.1)\n", "old (>=0.5,<=2.5)\n"),
        ("old \\\n  == 1.0\nb\n", "old \\\n  == 2.5\nb\n"),
        (f"old==1.0 \\\n    {HASH} \\\n    {HASH}\nb==1 \\\n    {HASH}\n", f"old==2.5\nb==1 \\\n    {HASH}\n"),
        (f"old==1.0 ; python_version > '3' {HASH}  # why\n", "old==2.5 ; python_version > '3'  # why\n"),
        (f"old==1.0 \\\r\n    {HASH}\r\nb\r\n", "old==2.5\r\nb\r\n"),
        ("old==1.0 ; python_version >= '3.9'\nold==0.9 ; python_version < '3.9'\n",
         "old==2.5 ; python_version >= '3.9'\nold==2.5 ; python_version < '3.9'\n"),
    ],
)  # fmt: skip
def test_only_versions_change(tmp_path: Path, before: str, after: str) -> None:
    assert edited(tmp_path, before.encode()).decode() == after
    for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        assert edited(tmp_path, mark + before.encode(codec)) == mark + after.encode(codec)


REST = st.sampled_from(["", "  # note", " ; python_version > '3'", f" {HASH}", f" \\\n  {HASH}", "\t"])
LINE = st.one_of(
    st.builds("{}=={}{}".format, st.sampled_from(["old", "old[x]", "other", "o-l.d"]), st.just("1.0"), REST),
    st.sampled_from(["", "# old==1.0", "   ", "other", "--prefer-binary", "-e .  # old==1.0"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_lines_that_do_not_move_are_the_same(tmp_path: Path, lines: list[str], end: str, last: bool) -> None:
    text = "\n".join(["old==1.0", *lines]) + "\n" * last
    content = edited(tmp_path, text.replace("\n", end).encode()).decode()
    assert (content.count("\r\n") == content.count("\n")) or end == "\n"
    path = tmp_path / "requirements.txt"
    before, after = ([*logical_lines(path, read)] for read in (text, content.replace("\r\n", "\n")))
    for old, new in zip(before, after, strict=True):
        if old.package == "old":
            assert (new.text, new.hashes) == (old.text.replace("1.0", "2.5"), ())
        else:
            assert new.whole == old.whole
    assert [one for one in text.splitlines() if one.startswith("#")] == [
        one for one in content.splitlines() if one.startswith("#")
    ]


def test_a_pyproject_is_edited_in_its_quotes(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    text = '[project]\nname = "a"\ndependencies = [\n  "old[x]>=1,<1.1",  # why\n  \'other==1\',\n]\n'
    path.write_text(text)
    from trainyard.host.requirements.requirement_text import Line

    contents = edited_files([Move(Line(path, 0, "old[x]>=1,<1.1"), "2.5", "3.12")], tmp_path)
    assert contents[path.resolve()].decode() == text.replace("<1.1", "<=2.5")
    with pytest.raises(TrainyardError, match=r"cannot be edited: write old==2\.5 by hand"):
        edited_files([Move(Line(path, 0, "old==7"), "2.5", "3.12")], tmp_path)


def test_a_file_of_somebody_else_is_named_and_not_edited(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "shared.txt").write_text("old==1.0\n")
    (project / "requirements.txt").symlink_to("../shared.txt")
    line = read_requirement(project / "requirements.txt", project, project).lines[0]
    with pytest.raises(TrainyardError, match=rf"requirements.txt:1: .*{tmp_path}/shared.txt does not belong"):
        edited_files([Move(line, "2.5", "3.12")], project)
    (project / "own.txt").write_text("old==1.0\n")
    (project / "requirements.txt").unlink()
    (project / "requirements.txt").symlink_to("own.txt")
    line = read_requirement(project / "requirements.txt", project, project).lines[0]
    contents = edited_files([Move(line, "2.5", "3.12")], project)
    assert contents == {project / "own.txt": b"old==2.5\n"}
    assert reader_of(contents)(project / "requirements.txt") == "old==2.5\n"
