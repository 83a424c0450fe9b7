"""Ctrl-C and kill -9 in the middle of a fetch, and of a push."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from monorepo import Monorepo, interrupt
from waiting import until

from data.fetches import Lake, content_of
from data.hostile import Handler
from trainyard.errors import TrainyardError
from trainyard.host.data import parts, schedule

MANY, JOBS = 60, 4
PULL = ("data-pull", "FROM=lake:train", f"DATA_JOBS={JOBS}")
MB = 1 << 20
Stop = Callable[[subprocess.Popen], str]


@pytest.fixture
def shop(lake: Lake, tmp_path: Path) -> Monorepo:
    repo = Monorepo(tmp_path / "repo")
    lake.declare(repo)
    return repo


def slowly(command: str, seconds: float) -> Callable[[Handler], bool]:
    """What has each request of a kind take so long."""

    def wait(request: Handler) -> bool:
        if request.command == command and "?" not in request.path:
            time.sleep(seconds)
        return False

    return wait


def kill(process: subprocess.Popen[str]) -> str:
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [interrupt, kill])
def test_a_fetch_that_is_stopped_goes_on(shop: Monorepo, lake: Lake, stop: Stop) -> None:
    files = {f"train/{number:02}.txt": f"content {number}" for number in range(MANY)}
    for path, text in files.items():
        lake.put(path, text)
    lake.proxy.before = slowly("GET", 0.2)
    process = shop.spawn(None, *PULL, **lake.environ)
    until(lambda: len(lake.proxy.fetched()) >= 30)
    text = stop(process)
    assert "Traceback" not in text
    assert process.returncode != 0
    assert not list((shop.path / ".trainyard/data/sets").glob("*/data")), "nothing half-fetched is to be seen"
    first = Counter(lake.proxy.fetched())
    lake.proxy.before = lambda _: False
    lake.proxy.asked.clear()
    made = shop.make(None, *PULL, **lake.environ).succeeded()
    assert f"lake:train is here: {MANY} files" in made.err
    again = set(lake.proxy.fetched()) & set(first)
    noted = 0.5 / 0.2 * JOBS if stop is kill else 0  # what is complete is written down every half a second
    assert len(again) <= JOBS + noted, "all others were there"
    assert len(set(lake.proxy.fetched()) | set(first)) == MANY
    lake.proxy.asked.clear()
    shop.make(None, *PULL, **lake.environ).succeeded()
    assert lake.proxy.fetched() == []


def test_parts_of_a_large_file_are_not_fetched_twice(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", MB)
    monkeypatch.setattr(schedule, "PART", MB)
    content = os.urandom(10 * MB + 5)
    lake.put("train/large.bin", content)
    lake.with_settings(data_retries=0, data_jobs=2)
    lake.proxy.before = lambda request: request.is_content and len(lake.proxy.fetched()) > 6 and request.lose()
    with pytest.raises(TrainyardError):
        lake.fetch("train")
    lake.proxy.before = lambda _: False
    lake.proxy.asked.clear()
    assert content_of(lake.fetch("train")) == {"train/large.bin": content}
    assert len(lake.proxy.fetched()) <= 11 - 4
    assert all(number == 1 for number in Counter(lake.proxy.fetched()).values())
    assert not list((lake.folder / "cache" / "parts").iterdir())


@pytest.mark.slow
def test_a_large_file_whose_fetch_is_killed(shop: Monorepo, lake: Lake) -> None:
    content = os.urandom(MB) * 200
    lake.put("train/large.bin", content)
    lake.proxy.pause = 0.01
    pull = (*PULL[:2], "DATA_JOBS=1")
    process = shop.spawn(None, *pull, **lake.environ)
    until(lambda: len(lake.proxy.fetched()) >= 3, 120)
    kill(process)
    lake.proxy.pause = 0
    first = Counter(lake.proxy.fetched())
    lake.proxy.asked.clear()
    shop.make(None, *pull, **lake.environ).succeeded()
    assert len(set(first) & set(lake.proxy.fetched())) == 1, "the part that was on its way"
    kept = next((shop.path / ".trainyard/data/sets").glob("*/data/train/large.bin"))
    assert kept.read_bytes() == content


@pytest.mark.slow
@pytest.mark.parametrize("stop", [interrupt, kill])
def test_a_push_that_is_stopped_goes_on(shop: Monorepo, lake: Lake, tmp_path: Path, stop: Stop) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(MANY):
        (source / f"{number:02}.txt").write_text(f"content {number}")
    lake.put("v1/00.txt", "an older version")
    push = ("data-push", f"FROM={source}", "TO=lake:v2", f"DATA_JOBS={JOBS}")
    lake.proxy.before = slowly("PUT", 0.2)
    process = shop.spawn(None, *push, **lake.environ)
    until(lambda: sum(one.startswith("PUT") for one in lake.proxy.asked) >= 20)
    text = stop(process)
    assert "Traceback" not in text
    lake.proxy.before = lambda _: False
    until(lambda: not list(lake.files.parent.rglob("*.tmp*")))
    there = set(lake.there())
    assert 10 < len(there) < MANY
    shop.make(None, "data-pull", "FROM=lake:v2", **lake.environ).failed(
        "lake:v2: a push of it goes on, or has not ended"
    )
    made = shop.make(None, "data-pull", "FROM=lake:*", **lake.environ).succeeded()
    assert "lake:v2 is left out: a push of it goes on" in made.err
    assert "lake:* is lake:v1" in made.err
    lake.proxy.asked.clear()
    shop.make(None, *push, **lake.environ).succeeded()
    sent = [one.rpartition("/")[2] for one in lake.proxy.asked if one.startswith("PUT")]
    assert not {f"v2/{name}" for name in sent} & there - {"v2/.trainyard-pushing"}, "what was there is not sent again"
    assert len(lake.there()) == MANY + 1
    assert (
        f"lake:v2 is here: {MANY} files" in shop.make(None, "data-pull", "FROM=lake:v2", **lake.environ).succeeded().err
    )


@pytest.mark.slow
def test_ctrl_c_ends_the_push_of_a_large_file_at_once(shop: Monorepo, lake: Lake, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(400 * MB)

    def wait(request: Handler) -> bool:
        time.sleep(0.5 if request.command == "PUT" else 0)
        return False

    def sent() -> int:
        return sum(one.startswith("PUT") for one in lake.proxy.asked)

    lake.proxy.before = wait
    process = shop.spawn(None, "data-push", f"FROM={large}", "TO=lake:large.bin", **lake.environ)
    until(lambda: sent() >= 5)
    assert "Traceback" not in interrupt(process)
    assert process.returncode != 0
    assert sent() < 60, "of 80 parts"
    assert not lake.there()
