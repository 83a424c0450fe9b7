"""What goes wrong while data is fetched: a real S3 server behind a proxy that does it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from data.fetches import Lake, content_of
from data.hostile import Handler
from trainyard.errors import TrainyardError
from trainyard.host.data.store import Changed, NotThere, StoreError

MANY = 40


def fill(lake: Lake, count: int = MANY) -> dict[str, bytes]:
    files = {f"train/{number:03}.txt": f"content {number}".encode() * 100 for number in range(count)}
    for path, content in files.items():
        lake.put(path, content)
    return files


def said(caught: pytest.ExceptionInfo[TrainyardError]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    assert "<" not in text, text
    return text


def test_nothing_is_fetched_twice(lake: Lake) -> None:
    files = fill(lake)
    assert content_of(lake.fetch("train")) == files
    assert len(lake.proxy.fetched()) == MANY
    lake.proxy.asked.clear()
    assert content_of(lake.fetch("train")) == files
    assert content_of(lake.fetch("train/003.txt")) == {"train/003.txt": files["train/003.txt"]}
    assert lake.proxy.fetched() == []
    lake.put("train/new.txt", b"new")
    assert content_of(lake.fetch("train")) == files | {"train/new.txt": b"new"}
    assert [one.rpartition("/")[2] for one in lake.proxy.fetched()] == ["new.txt"]


def test_equal_content_of_several_names(lake: Lake) -> None:
    files = {f"train/{number}.txt": b"the same" for number in range(5)}
    for path, content in files.items():
        lake.put(path, content)
    assert content_of(lake.fetch("train")) == files


def test_a_connection_lost_at_every_tenth_request(lake: Lake) -> None:
    files = fill(lake)
    lake.proxy.before = lambda request: request.number % 10 == 0 and request.lose()
    assert content_of(lake.fetch("train")) == files


def test_a_connection_lost_in_the_middle_of_a_file(lake: Lake) -> None:
    content = bytes(range(256)) * 4096
    lake.put("train/a.bin", content)
    broken: list[str] = []

    def cut(request: Handler) -> bool:
        if not request.is_content or len(broken) == 2:
            return False
        broken.append(request.path)
        request.send_response(200)
        for name, value in (("Content-Length", str(len(content))), ("ETag", lake.etag("train/a.bin"))):
            request.send_header(name, value)
        request.send_header("Last-Modified", "Mon, 30 Nov 2026 08:00:00 GMT")
        request.end_headers()
        request.wfile.write(content[:5000])
        return request.lose()

    lake.proxy.before = cut
    assert content_of(lake.fetch("train")) == {"train/a.bin": content}
    assert len(broken) == 2


def test_a_store_that_loses_every_connection(lake: Lake) -> None:
    fill(lake)
    lake.proxy.before = lambda request: request.is_content and request.lose()
    lake.with_settings(data_retries=1)
    with pytest.raises(StoreError) as caught:
        lake.fetch("train")
    assert "lake:train/0" in said(caught)
    assert "the connection was lost" in said(caught)
    assert "more files likewise" in said(caught)
    assert len(lake.proxy.asked) < 4 * MANY, "it is given up"
    lake.proxy.before = lambda _: False
    assert len(content_of(lake.fetch("train"))) == MANY


def test_a_store_that_is_away(lake: Lake) -> None:
    fill(lake)
    lake.proxy.shutdown()
    lake.proxy.server_close()
    lake.with_settings(data_retries=1, data_timeout=2)
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        lake.fetch("train")
    assert "lake:train: the connection was refused" in said(caught)
    assert time.monotonic() - began < 15


def test_a_silent_store(lake: Lake) -> None:
    fill(lake, 3)
    ends = threading.Event()
    lake.proxy.before = lambda request: request.is_content and (ends.wait(60) or request.lose())
    lake.with_settings(data_retries=0, data_timeout=1)
    began = time.monotonic()
    try:
        with pytest.raises(StoreError) as caught:
            lake.fetch("train")
    finally:
        ends.set()
    assert "it does not answer in time" in said(caught)
    assert "DATA_TIMEOUT" in said(caught)
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_slow_store_is_waited_for(lake: Lake) -> None:
    content = bytes(1 << 20)
    lake.put("train/a.bin", content)
    lake.proxy.pause = 0.2  # 16 pieces: longer than DATA_TIMEOUT in all
    lake.with_settings(data_timeout=2, data_retries=0)
    assert content_of(lake.fetch("train")) == {"train/a.bin": content}


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (403, "ExpiredToken"), (400, "ExpiredToken"),
                                              (401, "Unauthorized"), (403, "InvalidAccessKeyId")])  # fmt: skip
def test_a_store_that_refuses(lake: Lake, status: int, code: str) -> None:
    fill(lake, 3)
    lake.proxy.before = lambda request: request.answer(status, code)
    with pytest.raises(StoreError) as caught:
        lake.fetch("train")
    assert f"lake:train: the store refuses ({code})" in said(caught)
    assert "check the credentials of lake" in said(caught)
    assert len(lake.proxy.asked) == 2, "asked again, it would refuse again"


def test_credentials_that_expire_half_way(lake: Lake) -> None:
    files = fill(lake)
    lake.with_settings(data_jobs=2)
    lake.proxy.before = lambda request: request.number > 25 and request.answer(403, "ExpiredToken")
    with pytest.raises(StoreError) as caught:
        lake.fetch("train")
    assert "the store refuses (ExpiredToken)" in said(caught)
    first = Counter(lake.proxy.fetched())
    assert len(first) < MANY, "the others are not asked for"
    lake.proxy.before = lambda _: False
    lake.proxy.asked.clear()
    assert content_of(lake.fetch("train")) == files
    again = lake.proxy.fetched()
    assert 10 <= len(again) <= MANY - 20, "what came before that is not fetched again"


def test_a_store_in_trouble_is_asked_again(lake: Lake) -> None:
    files = fill(lake, 5)
    lake.proxy.before = lambda request: request.number % 3 == 0 and request.answer(503, "SlowDown")
    assert content_of(lake.fetch("train")) == files


@pytest.mark.parametrize("more", [5, -5])
def test_a_store_that_lies_about_sizes(lake: Lake, more: int) -> None:
    lake.put("train/a.txt", b"x" * 1000)
    lake.proxy.edit = lambda body: body.replace(b"<Size>1000<", b"<Size>%d<" % (1000 + more))
    lake.with_settings(data_retries=1)
    with pytest.raises(StoreError) as caught:
        lake.fetch("train")
    assert f"lake:train/a.txt has 1,000 bytes by now, not {1000 + more:,}" in said(caught)
    lake.proxy.edit = lambda body: body
    assert content_of(lake.fetch("train")) == {"train/a.txt": b"x" * 1000}


def test_a_file_that_changes_between_list_and_read(lake: Lake) -> None:
    lake.put("train/a.txt", b"first")

    def change(request: Handler) -> bool:
        if request.is_content:
            lake.replace("train/a.txt", b"other")
        return False

    lake.proxy.before = change
    with pytest.raises(Changed) as caught:
        lake.fetch("train")
    assert "lake:train/a.txt changed while it was read" in said(caught)
    lake.proxy.before = lambda _: False
    assert content_of(lake.fetch("train")) == {"train/a.txt": b"other"}


def test_a_file_that_is_gone_between_list_and_read(lake: Lake) -> None:
    place = lake.put("train/a.txt", b"first")
    lake.proxy.before = lambda request: request.is_content and bool(place.unlink(missing_ok=True))
    with pytest.raises(NotThere) as caught:
        lake.fetch("train")
    assert "lake:train/a.txt: there is nothing of that name" in said(caught)


def test_two_that_fetch_the_same_at_once(lake: Lake) -> None:
    files = fill(lake)
    lake.proxy.pause = 0.02
    found: list[dict[str, bytes]] = []
    threads = [threading.Thread(target=lambda: found.append(content_of(lake.fetch("train")))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [files] * 3
    assert len(lake.proxy.fetched()) == MANY


def test_nothing_half_fetched_is_seen(lake: Lake, tmp_path: Path) -> None:
    fill(lake)
    lake.proxy.before = lambda request: request.number > 20 and request.lose()
    lake.with_settings(data_retries=0)
    with pytest.raises(StoreError):
        lake.fetch("train")
    assert not list((tmp_path / "cache" / "sets").glob("*/data"))
    assert not list((tmp_path / "cache" / "contents" / "new").glob("*/*"))
