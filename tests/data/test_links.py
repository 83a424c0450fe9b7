"""Links to files of stores, as pods use them that have no credentials."""

from __future__ import annotations

import hashlib
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from data.fetches import Lake
from data.object_servers import AZURE
from data.test_stores import opened
from trainyard.errors import TrainyardError
from trainyard.host.data.store import SignsLinks, Store, StoreError, etag_of
from trainyard.image.train.linked import Input, Links

CONTENT = bytes(range(256)) * 8000


def link(store: Store, path: str, seconds: int = 60, *, write: bool = False) -> str:
    assert isinstance(store, SignsLinks)
    return store.link(path, seconds, write=write)


def links(*inputs: Input, result: str = "", retries: int = 3) -> Links:
    return Links(inputs, result, jobs=4, retries=retries, timeout=5)


def wanted(lake: Lake, path: str, **values: Any) -> Input:
    item = lake.store().find(path)
    given = {"size": item.size, "etag": etag_of(item.version)} if item else {"size": 1}
    return Input(
        **{"place": f"data/{path}", "what": f"lake:{path}", "url": link(lake.store(), path), **given, **values}
    )


def put_and_fetched(store: Store, folder: Path, name: str) -> None:
    """What a training wrote goes to a store by a link, and comes from there by another one."""
    written = folder / "written"
    for path in ("models/one.pkl", "run/record.json", "run/.hosted/output", "run/.hosted/links"):
        (written / path).parent.mkdir(parents=True, exist_ok=True)
        (written / path).write_text(path)
    links(result=link(store, name, write=True)).put(written)
    item = store.find(name)
    assert item
    links(Input("result.tar", "it", link(store, item.path), item.size, item.version)).fetch(folder)
    with tarfile.open(folder / "result.tar") as archive:
        names = [one.name for one in archive if one.isfile()]
    assert (names[0], sorted(names)) == ("output", ["models/one.pkl", "output", "run/record.json"])


def test_a_link_to_s3(lake: Lake, tmp_path: Path) -> None:
    put_and_fetched(lake.store(), tmp_path, "a b/ü.tar")


@pytest.mark.slow
def test_a_link_to_azure(azure_endpoint: str, tmp_path: Path) -> None:
    store = opened("abfs://links", AZURE, tmp_path, endpoint=azure_endpoint)
    store.make()
    put_and_fetched(store, tmp_path, "a/b-1_2.tar")
    with pytest.raises(StoreError, match="lake:a b: there are no links to such a name on Azure: rename it"):
        link(store, "a b")
    signed = {"AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1", "AZURE_STORAGE_SAS_TOKEN": "sv=2020&sig=abc"}
    with pytest.raises(StoreError, match="its credentials cannot sign links: keys of S3"):
        link(opened("abfs://links", signed, tmp_path, endpoint=azure_endpoint), "x")


def test_a_connection_that_breaks_goes_on_where_it_was(lake: Lake, tmp_path: Path) -> None:
    lake.put("x.bin", CONTENT)
    broken: list[int] = []

    def half(handler: Any) -> bool:
        if handler.command != "GET" or len(broken) == 2:
            return False
        broken.append(1)
        if len(broken) == 1:  # an error of the server comes first
            return bool(handler.answer(503, "SlowDown"))
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[: len(CONTENT) // 2])
        return bool(handler.lose())

    lake.proxy.before = half
    links(wanted(lake, "x.bin", sha256=hashlib.sha256(CONTENT).hexdigest())).fetch(tmp_path)
    assert (tmp_path / "data/x.bin").read_bytes() == CONTENT
    assert [one.rpartition(" from ")[2] for one in lake.proxy.asked][-1] == str(len(CONTENT) // 2)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"etag": "another"}, "lake:x.csv: its data store has another version of it by now: train again"),
        ({"sha256": "another"}, "lake:x.csv: what came is not what was asked for: train again"),
        ({"size": 2}, "lake:x.csv: what came is not what was asked for: train again"),
        ({"url": "nothing"}, "lake:x.csv: its data store has it no more: train again"),
        ({"url": "old"}, "lake:x.csv: its data store refuses the link, whose time may be over: LINK_MARGIN lets"),
        ({"url": "http://127.0.0.1:1/?secret"}, "lake:x.csv: its data store fails (Connection refused): DATA_RETRIES"),
    ],
)
def test_what_does_not_come_is_one_line(lake: Lake, tmp_path: Path, values: dict[str, Any], text: str) -> None:
    lake.put("x.csv", b"a,b\n")
    lake.replace("x.csv", b"a,b\n")  # by the server, which knows its etag then
    if values.get("url") == "nothing":
        values = {"url": link(lake.store(), "nothing")}
    elif values.get("url") == "old":
        values = {"url": link(lake.store(), "x.csv", 1)}
        time.sleep(2.1)
    with pytest.raises(TrainyardError) as caught:
        links(wanted(lake, "x.csv", **values), retries=1).fetch(tmp_path)
    assert str(caught.value).startswith(text)
    assert not (tmp_path / "data/x.csv").exists()
