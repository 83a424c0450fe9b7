"""Several files are written, or none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.host.support.write_together import write_together


def test_all_are_written_and_keep_their_permissions(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("a")
    old.chmod(0o640)
    write_together({old: b"b", new: b"c"})
    assert (old.read_text(), new.read_text()) == ("b", "c")
    assert old.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


@pytest.mark.parametrize("bad", ["missing/file", "folder"])
def test_none_is_written_where_one_cannot_be(tmp_path: Path, bad: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("a")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(OSError):
        write_together({old: b"b", new: b"c", tmp_path / bad: b"d"})
    assert old.read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "old"]


def test_what_was_replaced_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when the first file is new already, and the second is not."""
    one, new, two = (tmp_path / name for name in ("one", "new", "two"))
    one.write_text("a")
    two.write_text("a")
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if target == two and self.read_text() == "b":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_together({one: b"b", new: b"b", two: b"b"})
    assert (one.read_text(), two.read_text()) == ("a", "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
