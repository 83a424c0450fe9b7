"""The cache: a dataset is there whole or not at all, what was changed is fetched again, the oldest goes first."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.data.cache import Cache, CachedDataset, PlacedDataset
from trainyard.host.data.content_files import ContentFiles
from trainyard.host.data.datastores import Datastore, Datastores
from trainyard.host.data.drivers import open_store
from trainyard.host.data.index import Index
from trainyard.host.data.resolving import resolve
from trainyard.host.data.store import Item, Store
from trainyard.host.data.trimming import trim
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.support.command import Limit
from trainyard.host.support.reporter import Recording
from trainyard.settings.data import DataSettings


@dataclass
class Counting:
    """A store that counts what is read of it."""

    store: Store
    reads: list[str] = field(default_factory=list)

    def read(self, item: Item, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.reads.append(item.path)
        return self.store.read(item, offset, length)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


class Shelf:
    """A folder as a store, and a cache beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.reporter = folder / "shelf", Recording()
        self.cache = Cache(folder / "cache", DataSettings(), Limit("LOCK_TIMEOUT", 60), self.reporter)
        stores = Datastores(folder / "datastores.yaml", {"shelf": Datastore(url=str(self.folder))}, {})
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = Counting(open_store("shelf", stores, {}, DataSettings()))

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fetch(self, path: str = "") -> CachedDataset:
        resolved = resolve(parse_ref(f"shelf:{path}"), self.store, str(self.folder), self.reporter)  # type: ignore[arg-type]
        return self.cache.dataset([PlacedDataset(resolved, self.store)], f"shelf:{path}")  # type: ignore[arg-type]

    def reads(self) -> list[str]:
        """Since the last time."""
        found, self.store.reads[:] = sorted(self.store.reads), []
        return found


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    for number in range(3):
        shelf.put(f"v1/{number}.csv", f"a\n{number}\n")
    return shelf


def texts(cached: CachedDataset) -> dict[str, str]:
    return {file.place: (cached.folder / file.place).read_text() for file in cached.files}


def test_nothing_is_fetched_twice(shelf: Shelf) -> None:
    assert texts(shelf.fetch("v1")) == {f"v1/{number}.csv": f"a\n{number}\n" for number in range(3)}
    assert shelf.reads() == ["v1/0.csv", "v1/1.csv", "v1/2.csv"]
    assert len(texts(shelf.fetch("v1"))) == 3
    assert texts(shelf.fetch("v1/1.csv")) == {"v1/1.csv": "a\n1\n"}
    shelf.put("v1/3.csv", "a\n3\n")
    assert len(texts(shelf.fetch("v1"))) == 4
    assert shelf.reads() == ["v1/3.csv"]


def test_equal_content_is_kept_once(shelf: Shelf) -> None:
    shelf.put("v1/copy.csv", "a\n0\n")
    cached = shelf.fetch("v1")
    assert (cached.folder / "v1/copy.csv").samefile(cached.folder / "v1/0.csv")
    assert cached.folder.joinpath("v1/0.csv").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("damage", ["changed", "emptied", "removed"])
def test_what_was_changed_is_fetched_again(shelf: Shelf, damage: str) -> None:
    first = shelf.fetch("v1")
    other = first.folder / "v1/1.csv"
    shelf.reads()
    path = first.folder / "v1/0.csv"
    inode = other.stat().st_ino
    if damage == "removed":
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_text("b\n" if damage == "changed" else "")
    again = shelf.fetch("v1")  # while the first is still in use
    assert texts(again)["v1/0.csv"] == "a\n0\n"
    assert (shelf.reads(), again.folder) == (["v1/0.csv"], first.folder)
    assert other.stat().st_ino == inode
    assert any("v1/0.csv was changed" in line for line in shelf.reporter.noted("warning"))
    assert texts(shelf.fetch("v1")) == texts(again)
    assert shelf.reads() == []


def test_a_folder_that_a_kill_left_without_its_list_is_made_anew(shelf: Shelf) -> None:
    cached = shelf.fetch("v1")
    key = cached.folder.parent.name
    (shelf.cache.folder / "sets" / f"{key}.json").unlink()
    (cached.folder / "v1/0.csv").unlink()
    (shelf.cache.folder / "sets" / f"{key}.new" / "data").mkdir(parents=True)
    shelf.reads()
    assert len(texts(shelf.fetch("v1"))) == 3
    assert shelf.reads() == []  # by their content they are there
    assert not (shelf.cache.folder / "sets" / f"{key}.new").exists()


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 5000])
def test_an_index_that_is_damaged_is_begun_anew(shelf: Shelf, content: bytes) -> None:
    shelf.fetch("v1")
    for path in shelf.cache.folder.glob("index.db*"):
        path.unlink()
    (shelf.cache.folder / "index.db").write_bytes(content)
    shelf.put("v1/new.csv", "a\n")
    shelf.reads()
    assert len(texts(shelf.fetch("v1"))) == 4
    assert len(shelf.reads()) == 4
    assert len(texts(shelf.fetch("v1"))) == 4


def test_the_index_keeps_versions_apart(tmp_path: Path) -> None:
    with Index(tmp_path / "index.db") as index:
        items = [Item("a", 1, "x"), Item("a", 1, "y"), Item("a", 2, "x"), Item("b\udc80", 1, "x")]
        index.add("url", [(items[0], "0" * 64), (items[3], "3" * 64)])
        assert list(index.known("url", items)) == [(items[0], "0" * 64)]
        assert list(index.known("other", items)) == []
        with pytest.raises(sqlite3.Error):
            index.add("url", [(items[1], object())])  # type: ignore[list-item]
        assert list(index.known("url", items)) == [(items[0], "0" * 64)]


def test_the_one_used_longest_ago_goes_first_and_none_that_is_in_use(shelf: Shelf) -> None:
    for version in ("v2", "v3", "v4"):
        shelf.put(f"{version}/big.bin", version * 50_000)
    folders = {version: shelf.fetch(version) for version in ("v2", "v3", "v4")}
    for age, version in enumerate(("v3", "v2", "v4"), start=1):  # v3 is the oldest
        listed = shelf.cache.folder / "sets" / f"{folders[version].folder.parent.name}.json"
        os.utime(listed, (age, age))
    v2, _ = folders["v2"], folders.pop("v3").lock.close()
    trim(shelf.cache.folder, 200_001)
    assert v2.folder.exists()
    assert not list((shelf.cache.folder / "sets").glob("*/data/v3"))
    trim(shelf.cache.folder, 1)  # the others are in use
    assert all((one.folder / version / "big.bin").stat().st_size == 100_000 for version, one in folders.items())
    folders["v4"].lock.close()
    trim(shelf.cache.folder, 1)
    assert not folders["v4"].folder.exists()
    assert v2.folder.exists()
    assert ContentFiles(shelf.cache.folder / "contents").size() == 100_000


def test_what_another_process_uses_stays(shelf: Shelf) -> None:
    """The kernel drops the lock of a process that was killed."""
    cached = shelf.fetch("v1")
    context = multiprocessing.get_context("fork")
    held, process = context.Event(), None

    def hold() -> None:
        shelf.fetch("v1").lock.fileno()
        held.set()
        while True:
            os.read(reading, 1)

    reading, writing = os.pipe()
    process = context.Process(target=hold)
    process.start()
    assert held.wait(30)
    cached.lock.close()
    trim(shelf.cache.folder, 1)
    assert cached.folder.exists()
    process.kill()
    process.join()
    trim(shelf.cache.folder, 1)
    assert not cached.folder.exists()
    os.close(reading)
    os.close(writing)


def test_what_was_never_complete_goes_after_a_while(shelf: Shelf) -> None:
    shelf.fetch("v1")
    old, new = (shelf.cache.folder / "parts" / name for name in ("old", "new"))
    for path in (old, new):
        path.mkdir(parents=True)
        (path / "content").write_text("x" * 1000)
    os.utime(old, (1, 1))
    trim(shelf.cache.folder, 0)
    assert not old.exists()
    assert new.exists()
    trim(shelf.cache.folder, 1)
    assert not new.exists()


def test_a_file_system_without_links_has_copies(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    cached = shelf.fetch("v1")
    assert len(texts(cached)) == 3
    assert not (cached.folder / "v1/0.csv").samefile(next((shelf.cache.folder / "contents").glob("??/*")))


def test_two_stores_with_a_file_of_one_name(tmp_path: Path, shelf: Shelf) -> None:
    other = Shelf(tmp_path / "other")
    other.put("v1/0.csv", "another\n")
    parts = []
    for one in (shelf, other):
        resolved = resolve(parse_ref("shelf:v1/0.csv"), one.store, str(one.folder), one.reporter)  # type: ignore[arg-type]
        parts.append(PlacedDataset(resolved, one.store))  # type: ignore[arg-type]
    with pytest.raises(TrainyardError, match=r"both have data/v1/0\.csv"):
        shelf.cache.dataset(parts, "both")
    apart = [parts[0], PlacedDataset(parts[1].resolved, parts[1].store, base="v1/", place="test")]
    assert texts(shelf.cache.dataset(apart, "both")) == {"v1/0.csv": "a\n0\n", "test/0.csv": "another\n"}


def test_too_little_space_is_said_before_anything_is_fetched(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(TrainyardError, match=r"are to be fetched, and 0\.0 GB are free"):
        shelf.fetch("v1")
    assert shelf.reads() == []
