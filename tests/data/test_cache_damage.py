"""What the cache keeps, for how long, and what it does with what was damaged."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from needs import can_mount

from data.fetches import Lake, content_of
from trainyard.errors import TrainyardError
from trainyard.host.data import cache
from trainyard.host.data.index import Index
from trainyard.host.data.store import Item

MB = 1_000_000


def names(lake: Lake) -> list[str]:
    """The objects whose content was asked for."""
    return sorted(one.rpartition("/")[2] for one in lake.proxy.fetched())


@pytest.mark.parametrize("damage", ["emptied", "changed", "removed", "cut"])
def test_what_was_damaged_is_fetched_again(lake: Lake, damage: str) -> None:
    files = {f"train/{name}.txt": name * 100 for name in "abc"}
    for path, text in files.items():
        lake.put(path, text)
    cached = lake.fetch("train")
    place = cached.folder / "train" / "b.txt"
    del cached
    place.chmod(0o644)
    if damage == "removed":
        place.unlink()
    else:
        place.write_text({"emptied": "", "changed": "x" * 100, "cut": "b"}[damage])
    lake.proxy.asked.clear()
    assert content_of(lake.fetch("train")) == {path: text.encode() for path, text in files.items()}
    assert names(lake) in (["b.txt"], [] if damage == "removed" else ["b.txt"]), "the others are not fetched again"


def test_an_index_that_is_damaged(lake: Lake, tmp_path: Path) -> None:
    lake.put("train/a.txt", "a")
    lake.fetch("train")
    for content in (b"no database at all" * 100, b"", bytes(8192)):
        for path in (tmp_path / "cache").glob("index.db*"):
            path.unlink()
        (tmp_path / "cache" / "index.db").write_bytes(content)
        lake.put(f"train/{len(content)}.txt", "b")
        lake.fetch("train")
    database = tmp_path / "cache" / "index.db"
    for path in (tmp_path / "cache").glob("index.db-*"):
        path.unlink()
    damaged = bytearray(database.read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)  # the pages of the table
    database.write_bytes(damaged)
    lake.put("train/z.txt", "z")
    assert "train/z.txt" in content_of(lake.fetch("train"))


def test_an_index_that_is_damaged_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    items = [Item(f"some/folder/{number:06}", number, "version") for number in range(20_000)]
    with Index(path) as index:
        index.add("url", [(item, "0" * 64) for item in items])
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2 :] = b"\xff" * (len(damaged) - len(damaged) // 2)
    path.write_bytes(damaged)
    with Index(path) as index:
        assert len(list(index.known("url", items))) < len(items)
        index.add("url", [(item, "1" * 64) for item in items])
        assert len(list(index.known("url", items))) == len(items)


def test_the_oldest_goes_first_and_nothing_that_is_used(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        lake.put(f"v{number}/a.bin", os.urandom(400_000))
    lake.with_settings(data_cache_gb=1)
    monkeypatch.setattr(cache, "_GB", MB)
    used = lake.fetch("v0")
    for number in (1, 2):
        lake.fetch(f"v{number}")
    lake.fetch("v3")
    kept = {path.parent.name for path in (lake.folder / "cache" / "sets").glob("*/data/*/a.bin")}
    assert kept == {"v0", "v3"}
    assert content_of(used) != {}
    lake.proxy.asked.clear()
    lake.fetch("v3")
    assert lake.proxy.fetched() == []
    lake.fetch("v1")
    assert len(lake.proxy.fetched()) == 1


def test_two_clones_share_a_cache(lake: Lake) -> None:
    lake.put("train/a.txt", "a")
    first = lake.fetch("train")
    second = lake.fetch("train")
    assert first.folder == second.folder
    assert len(lake.proxy.fetched()) == 1


def test_a_file_system_without_hard_links(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"train/{name}.txt": name.encode() * 100 for name in "abc"}
    for path, content in files.items():
        lake.put(path, content)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert content_of(lake.fetch("train")) == files
    assert content_of(lake.fetch("train")) == files
    assert len(lake.proxy.fetched()) == 3


def test_what_is_too_large_for_the_disk_is_not_begun(lake: Lake) -> None:
    lake.put("train/a.txt", "x" * 1000)
    huge = 10**15
    lake.proxy.edit = lambda body: body.replace(b"<Size>1000<", b"<Size>%d<" % huge)
    with pytest.raises(TrainyardError, match=r"1000000\.0 GB are to be fetched, and .* GB are free: make room"):
        lake.fetch("train")
    assert lake.proxy.fetched() == []


@pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")
def test_a_disk_that_fills_up(lake: Lake, tmp_path: Path) -> None:
    """Somebody else fills it: there was room when the fetch began."""
    for number in range(20):
        lake.put(f"train/{number:02}.bin", bytes([number]) * 500_000)
    folder = tmp_path / "cache"
    folder.mkdir()
    ask = ["unshare", "--mount", "bash", "-c",
           f'mount -t tmpfs -o size=9m tmpfs "{folder}" && exec "$@"', "bash", sys.executable, "-c",
           "import sys; sys.path.insert(0, 'tests')\n"
           "import shutil; shutil.disk_usage = lambda _: type('Usage', (), {'free': 10**12})\n"
           "from data.fetches import ask\n"
           "ask(*sys.argv[1:])", lake.url, lake.proxy.url, str(tmp_path), "train"]  # fmt: skip
    done = subprocess.run(ask, env=os.environ | dict(lake.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "No space left on device: make room, or set DATA_CACHE to another folder" in done.stderr
    assert len(lake.proxy.fetched()) <= 20


def test_files_by_what_is_in_them(lake: Lake) -> None:
    lake.put("train/a.txt", "a")
    cached = lake.fetch("train")
    assert [(file.place, file.size, file.sha256) for file in cached.files] == [
        ("train/a.txt", 1, hashlib.sha256(b"a").hexdigest())
    ]
    listed = json.loads((cached.folder.parent.parent / f"{cached.folder.parent.name}.json").read_text())
    assert listed[0][0] == "train/a.txt"


def test_an_index_of_many_processes(tmp_path: Path) -> None:
    def add(number: int) -> None:
        with Index(tmp_path / "index.db") as index:
            for turn in range(20):
                index.add("url", [(Item(f"{number}/{turn}", 1, "v"), "sha")])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Index(tmp_path / "index.db") as index:
        items = [Item(f"{number}/{turn}", 1, "v") for number in range(8) for turn in range(20)]
        assert len(list(index.known("url", items))) == 160
        assert list(index.known("url", [Item("0/0", 2, "v"), Item("0/0", 1, "w"), Item("\udcff", 1, "v")])) == []
        index.add("url", [(Item("\udcff", 1, "v"), "sha")])
