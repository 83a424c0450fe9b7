"""A disk that fills up while data is fetched; an index that many write, and that is damaged in its middle."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from needs import can_mount

from data.fetches import Lake
from trainyard.host.data.index import Index
from trainyard.host.data.store import Item

MB = 1_000_000


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
