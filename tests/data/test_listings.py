"""Names that no folder can have, and buckets with very many keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from data.fetches import Lake, content_of
from trainyard.errors import TrainyardError
from trainyard.host.data.resolving import Resolved, resolve
from trainyard.host.data.store import Item
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.host.support.reporter import SILENT

MANY = 50_000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("train/../../../etc/passwd", "the name leads out of its folder, or nowhere"),
        ("train/./a", "the name leads out of its folder, or nowhere"),
        ("train//a", "the name leads out of its folder, or nowhere"),
        ("train/" + "n" * 300, "a part of the name is longer than 255 bytes"),
        ("train/a&#10;b", "the name has a control character"),
    ],
)
def test_a_name_that_no_folder_can_have(lake: Lake, name: str, said: str) -> None:
    """As a store says it, whatever keeps it."""
    lake.put("train/good.txt", "x")
    lake.put("train/zzz.txt", "y")
    lake.proxy.edit = lambda body: body.replace(b"/train/zzz.txt<", f"/{name}<".encode())
    with pytest.raises(TrainyardError) as caught:
        lake.fetch("train")
    text = str(caught.value)
    assert said in text or "an object has a name that is no path" in text, text
    assert "rename it in the store" in text
    assert len(text) < 300
    assert "\n" not in text
    assert not (lake.folder / "cache").exists()


def test_a_file_and_a_folder_of_one_name(lake: Lake) -> None:
    lake.put("train/a/b.txt", "x")
    lake.put("train/z.txt", "y")
    lake.proxy.edit = lambda body: body.replace(b"/train/z.txt<", b"/train/a<")
    with pytest.raises(TrainyardError, match="lake:train/a is a file and a folder at once: rename one in the store"):
        lake.fetch("train")
    lake.put("train/z.txt", "")
    assert content_of(lake.fetch("train")) == {"train/a/b.txt": b"x"}, (
        "a folder's own empty object is none of its files"
    )


def test_names_of_every_kind_and_nothing_in_a_file(lake: Lake) -> None:
    names = ("a b.txt", "größe-日本.txt", "x" * 200, "#1.txt", "100%.txt", "a+b&c=d.txt", "deep/er/empty", "'q\".txt")
    files = {f"train/{name}": b"" if name.endswith("empty") else name.encode() for name in names}
    for path, content in files.items():
        lake.put(path, content)
    assert content_of(lake.fetch("train")) == files


def test_one_version_for_the_same_files() -> None:
    items = tuple(Item(f"v1/{name}", 1, "etag") for name in "ab")
    ref = DatasetRef("lake", "v1")
    first = Resolved(ref, ref, "s3://b", items)
    assert first.version == Resolved(ref, ref, "s3://b", items).version
    assert first.version != Resolved(ref, ref, "s3://b", items[:1]).version
    assert first.full_url == "s3://b/v1"
    alone = Resolved(ref, DatasetRef("lake", "v1/a"), "s3://b/", items[:1])
    assert (alone.version, alone.full_url, alone.is_file) == ("etag", "s3://b/v1/a", True)


def test_the_newest_asks_for_one_level(lake: Lake) -> None:
    for version in range(3):
        for number in range(30):
            lake.put(f"v{version}/deep/{number}.txt", "x")
    found = resolve(parse_ref("lake:latest"), lake.store(), lake.url, SILENT)
    assert found.ref.path == "v2"
    lists = lake.proxy.lists()
    assert len(lists) == 2, lists
    assert "delimiter" in lists[0] and "delimiter" not in lists[1]
    assert "/v2/" in lists[1]


@pytest.mark.slow
def test_very_many_files(lake: Lake) -> None:
    """In bounded memory; `latest` lists one level, whatever lies below."""
    (lake.files / "v1").mkdir()
    (lake.files / "v2").mkdir()
    for number in range(MANY):
        (lake.files / "v1" / f"{number:06}").touch()
    (lake.files / "v2" / "a.csv").write_text("a\n1\n")
    found = resolve(parse_ref("lake:latest"), lake.store(), lake.url, SILENT)
    assert found.ref.path == "v2"
    assert len(lake.proxy.lists()) <= 2
    look = (
        "import sys, resource, json; sys.path.insert(0, 'tests')\n"
        "from data.fetches import opened\n"
        "store = opened(*sys.argv[1:])\n"
        "next(iter(store.files('v1')))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "number = sum(1 for _ in store.files('v1'))\n"
        "print(json.dumps([number, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))"
    )
    command = [sys.executable, "-c", look, lake.url, lake.proxy.target, str(lake.folder)]
    done = subprocess.run(command, env=os.environ | dict(lake.environ), capture_output=True, text=True, check=True)
    number, kilobytes = json.loads(done.stdout)
    assert number == MANY
    assert kilobytes < 20_000
