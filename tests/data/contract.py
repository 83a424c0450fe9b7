"""What every data store does, whatever holds it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from trainyard.host.data.parts import PART
from trainyard.host.data.store import Entry, NotThere, Store, StoreError

NAMES = (
    "plain.csv", "with space.csv", "größe-日本.csv", "#hash.csv", "100%.csv", "a%20b.csv", "a+b.csv", "q?m.csv",
    "a&b=c.csv", "semi;colon.csv", "[x].csv", "it's.csv", '"quoted".csv', "*.csv", "~tilde.csv", ".hidden",
)  # fmt: skip


class StoreContract:
    """``store`` is an empty one."""

    names = NAMES

    def fill(self, store: Store, files: dict[str, bytes], tmp_path: Path) -> None:
        """Have the files in the store."""
        for number, (path, content) in enumerate(files.items()):
            source = tmp_path / f"source{number}"
            source.write_bytes(content)
            store.write(path, source)

    def test_an_empty_store_has_nothing(self, store: Store) -> None:
        assert list(store.files()) == []
        assert list(store.entries()) == []
        assert store.find("nothing") is None
        assert store.find("nothing/in/there") is None

    def test_what_is_not_there_is_nothing_or_said(self, store: Store, tmp_path: Path) -> None:
        self.fill(store, {"folder/a.csv": b"a"}, tmp_path)
        for path in ("nothing", "folder/nothing", "folder/a.csv/nothing", "folde"):
            assert store.find(path) is None, path
            assert self.files(store, path) == {}, path
            assert self.entries(store, path) == [], path
        item = store.find("folder/a.csv")
        assert item
        gone = type(item)("folder/b.csv", item.size, item.version)
        with pytest.raises(NotThere, match=r"folder/b\.csv"):
            b"".join(store.read(gone))

    def test_a_folder_is_no_file(self, store: Store, tmp_path: Path) -> None:
        self.fill(store, {"folder/a.csv": b"a"}, tmp_path)
        assert store.find("folder") is None
        assert store.find("") is None

    def test_files_of_every_name(self, store: Store, tmp_path: Path) -> None:
        content = {f"some folder/{name}": name.encode() * 3 for name in self.names}
        self.fill(store, content, tmp_path)
        found = self.files(store)
        assert sorted(found) == sorted(content)
        for path, size in found.items():
            assert size == len(content[path]), path
            item = store.find(path)
            assert item and item.path == path
            assert b"".join(store.read(item)) == content[path], path
            assert self.files(store, path) == {path: size}
        assert [entry.name for entry in store.entries()] == ["some folder"]
        assert self.entries(store, "some folder") == sorted(self.names)

    def test_one_way_to_say_a_version(self, store: Store, tmp_path: Path) -> None:
        """Else what was fetched by one way would be fetched again by another."""
        self.fill(store, {"folder/a.csv": b"a", "folder/deep/b.csv": b"bb"}, tmp_path)
        for listed in store.files():
            assert store.find(listed.path) == listed
            folder, _, name = listed.path.rpartition("/")
            assert [entry.item for entry in store.entries(folder) if entry.name == name] == [listed]
            assert list(store.files(listed.path)) == [listed]
            assert listed.version

    def test_levels(self, store: Store, tmp_path: Path) -> None:
        paths = ["v1/a.csv", "v1/deep/er/b.csv", "v2/c.csv", "v10/d.csv", "v.csv", "other"]
        self.fill(store, dict.fromkeys(paths, b"x"), tmp_path)
        assert sorted(self.files(store)) == sorted(paths)
        assert sorted(self.files(store, "v1")) == ["v1/a.csv", "v1/deep/er/b.csv"]
        assert sorted(self.files(store, "v1/deep")) == ["v1/deep/er/b.csv"]
        assert self.entries(store) == ["other", "v.csv", "v1", "v10", "v2"]
        assert self.entries(store, "", "v1") == ["v1", "v10"]
        assert self.entries(store, "v1") == ["a.csv", "deep"]
        assert self.entries(store, "v1", "d") == ["deep"]
        assert {entry.name for entry in store.entries() if entry.item} == {"other", "v.csv"}
        assert Entry("v1") in list(store.entries())

    def test_a_part_of_a_file(self, store: Store, tmp_path: Path) -> None:
        content = bytes(range(256)) * 5000
        self.fill(store, {"numbers": content, "nothing": b""}, tmp_path)
        numbers, nothing = store.find("numbers"), store.find("nothing")
        assert numbers and nothing
        assert nothing.size == 0
        assert b"".join(store.read(nothing)) == b""
        assert self.files(store) == {"numbers": len(content), "nothing": 0}
        for offset, length in ((0, None), (1000, None), (1000, 50), (0, 1), (1_100_000, 100_000), (1_279_999, 1)):
            end = None if length is None else offset + length
            assert b"".join(store.read(numbers, offset, length)) == content[offset:end], (offset, length)

    @pytest.mark.slow
    def test_a_file_of_several_parts(self, store: Store, tmp_path: Path) -> None:
        content = bytes(range(256)) * 1024 * 4 * 70  # 70 MiB
        self.fill(store, {"large": content}, tmp_path)
        item = store.find("large")
        assert item and item.size == len(content) > PART
        assert b"".join(store.read(item, PART, 6 << 20)) == content[PART:]
        assert b"".join(store.read(item)) == content

    def files(self, store: Store, path: str = "") -> dict[str, int]:
        try:
            return {item.path: item.size for item in store.files(path)}
        except NotThere:
            return {}

    def entries(self, store: Store, *arguments: str) -> list[str]:
        try:
            return sorted(entry.name for entry in store.entries(*arguments))
        except NotThere:
            return []


class WritableContract(StoreContract):
    """A store that takes files, too."""

    clock = 0.0  # seconds after which a change of a file, of one size, is seen

    def test_what_is_there_is_replaced(self, store: Store, tmp_path: Path) -> None:
        self.fill(store, {"a/b.csv": b"first"}, tmp_path)
        before = store.find("a/b.csv")
        time.sleep(self.clock)
        self.fill(store, {"a/b.csv": b"other"}, tmp_path)
        after = store.find("a/b.csv")
        assert before and after and before.version != after.version
        assert b"".join(store.read(after)) == b"other"
        assert self.files(store) == {"a/b.csv": 5}, "nothing else is left there"

    def test_another_version_is_not_read_for_the_one_that_was_listed(self, store: Store, tmp_path: Path) -> None:
        self.fill(store, {"a.csv": b"first"}, tmp_path)
        before = store.find("a.csv")
        assert before
        time.sleep(self.clock)
        for content in (b"other", b"longer than that"):
            self.fill(store, {"a.csv": content}, tmp_path)
            with pytest.raises(StoreError, match=r"a\.csv"):
                b"".join(store.read(before))

    def test_files_are_removed(self, store: Store, tmp_path: Path) -> None:
        self.fill(store, {"a/b.csv": b"x", "a/c.csv": b"y"}, tmp_path)
        store.remove("a/b.csv")
        store.remove("a/b.csv")
        store.remove("never/there")
        assert self.files(store) == {"a/c.csv": 1}

    def test_what_is_there_is_not_made(self, store: Store) -> None:
        assert store.make() is False

    def test_a_missing_bucket_or_folder_is_said_and_made(self, missing: Store, tmp_path: Path) -> None:
        with pytest.raises(NotThere):
            list(missing.files())
        assert missing.make() is True
        assert list(missing.files()) == []
        self.fill(missing, {"a": b"x"}, tmp_path)
        assert self.files(missing) == {"a": 1}


class ReadOnlyContract(StoreContract):
    def test_nothing_can_be_written(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "source").write_text("x")
        for change in (lambda: store.write("a", tmp_path / "source"), lambda: store.remove("a"), store.make):
            with pytest.raises(StoreError, match="nothing can be written there"):
                change()
