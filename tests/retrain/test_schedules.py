"""When schedules are due: time zones, clocks that are put forward and back, services that were down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.watched import Watched, at, ticked
from trainyard.host.retrain.triggers.schedules import next_after

BERLIN = ZoneInfo("Europe/Berlin")
MODEL = "sums/one"


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_schedule_asks_at_its_times(watched: Watched) -> None:
    watched.model("one", "{schedule: 30 2 * * *, deploy: true}")
    watched.model("other", "{schedule: 0 12 * * *}")
    watched.model("none", "{on_data: false}")
    watcher = watched.watcher()
    for moment in ("2026-11-30 02:29", "2026-11-30 02:29:59", "2026-11-30 02:30", "2026-11-30 02:31"):
        watcher.tick(at(moment))
    assert watched.asked == [(MODEL, "schedule")]
    assert watched.requests[0].deploy
    for moment in ("2026-11-30 11:59", "2026-11-30 12:00:10", "2026-12-01 02:30"):
        watcher.tick(at(moment))
    assert watched.asked == [(MODEL, "schedule"), ("sums/other", "schedule"), (MODEL, "schedule")]
    assert not watched.requests[1].deploy


def test_a_new_schedule_does_not_ask_for_what_is_past(watched: Watched) -> None:
    model = watched.model("one", "{schedule: 30 2 * * *}")
    watcher = watched.watcher()
    watcher.tick(at("2026-11-30 12:00"))
    watched.configure(model, "{schedule: 0 6 * * *}")
    watcher.tick(at("2026-12-01 12:00"))
    watched.configure(model, "{}")
    watcher.tick(at("2026-12-02 12:00"))
    watched.configure(model, "{schedule: 0 6 * * *}")
    watcher.tick(at("2026-12-05 12:00"))
    assert watched.asked == []
    watcher.tick(at("2026-12-06 06:00"))
    assert watched.asked == [(MODEL, "schedule")]


def test_a_service_that_was_down_catches_up_with_one(watched: Watched) -> None:
    watched.model("one", "{schedule: 0 * * * *}")
    watched.watcher().tick(at("2026-11-01 00:30"))
    after = watched.watcher()
    for minute in range(3):
        after.tick(at("2026-11-30 00:30") + timedelta(minutes=minute))
    assert watched.asked == [(MODEL, "schedule")]
    after.tick(at("2026-11-30 01:00"))
    assert len(watched.asked) == 2


def test_one_that_asked_does_not_ask_again_after_a_restart(watched: Watched) -> None:
    watched.model("one", "{schedule: 0 * * * *}")
    for _ in range(3):
        watcher = watched.watcher()
        watcher.tick(at("2026-11-30 00:30"))
        watcher.tick(at("2026-11-30 01:00"))
    assert watched.asked == [(MODEL, "schedule")]


def test_a_clock_that_goes_back_asks_for_nothing_twice(watched: Watched) -> None:
    watched.model("one", "{schedule: 0 * * * *}")
    watcher = watched.watcher()
    for moment in ("2026-11-30 00:30", "2026-11-30 05:00", "2026-11-30 02:00", "2026-11-30 03:00", "2026-11-30 05:30"):
        watcher.tick(at(moment))
    assert watched.asked == [(MODEL, "schedule")]
    (warning,) = watched.warnings
    assert warning.startswith("sums/one: schedule: the clock is before 2026-11-30T05:00+00:00")
    watcher.tick(at("2026-11-30 06:00"))
    assert len(watched.asked) == 2


def test_a_job_that_was_not_taken_is_asked_for_again(watched: Watched) -> None:
    watched.model("one", "{schedule: 0 * * * *}")
    watcher = watched.watcher()
    watcher.tick(at("2026-11-30 00:30"))
    watched.refuses = "1000 jobs wait already"
    for second in range(5):
        watcher.tick(at("2026-11-30 01:00") + timedelta(seconds=second))
    assert watched.warnings == ["sums/one: schedule: 1000 jobs wait already: wait"]
    watched.refuses = ""
    watcher.tick(at("2026-11-30 01:01"))
    watcher.tick(at("2026-11-30 01:02"))
    assert watched.asked == [(MODEL, "schedule")]


def test_one_model_with_a_mistake_is_named_once_and_the_others_go_on(watched: Watched) -> None:
    broken = watched.model("broken", "{schedule: never}")
    watched.model("one", "{schedule: 0 * * * *}")
    unreadable = watched.model("unreadable", "{schedule: 0 * * * *}")
    (unreadable.path / "Makefile").write_text("MODEL_NAME := $(shell date)\n")
    watcher = watched.watcher()
    for hour in range(3):
        ticked(watcher, at("2026-11-30 00:30") + timedelta(hours=hour))
    assert watched.asked == [(MODEL, "schedule")] * 2
    assert len(watched.warnings) == 2, watched.warnings
    assert "sums/unreadable: " in watched.warnings[0]
    assert "config.yaml:1: retrain.schedule: a schedule has five fields" in watched.warnings[1]
    # Well again, and wrong again: that is news.
    watched.configure(broken, "{}")
    watcher.tick(at("2026-11-30 02:40"))
    watched.configure(broken, "{schedule: never}")
    watcher.tick(at("2026-11-30 02:41"))
    assert len(watched.warnings) == 3


def test_a_database_that_is_away_is_one_line(watched: Watched, tmp_path: Path) -> None:
    watched.model("one", "{schedule: 0 * * * *}")
    watcher = watched.watcher()
    watcher.tick(at("2026-11-30 00:30"))
    (tmp_path / "state.db").rename(tmp_path / "away.db")
    (tmp_path / "state.db").mkdir()
    watcher._store._engine.dispose()  # type: ignore[attr-defined]
    for _ in range(3):
        watcher.tick(at("2026-11-30 01:00"))
    assert len(watched.warnings) == 1
    assert "\n" not in watched.warnings[0]
    (tmp_path / "state.db").rmdir()
    (tmp_path / "away.db").rename(tmp_path / "state.db")
    watcher.tick(at("2026-11-30 01:01"))
    assert watched.asked == [(MODEL, "schedule")]


def times(schedule: str, begin: datetime, end: datetime) -> list[str]:
    """In the zone's own words."""
    found, moment = [], begin
    while (due := next_after(schedule, BERLIN, moment)) and due <= end:
        found.append(due.astimezone(BERLIN).strftime("%d %H:%M%z"))
        moment = due
    return found


def test_an_hour_that_the_clocks_skip() -> None:
    """2026-03-29 in Berlin: 02:00 is 03:00."""
    begin, end = datetime(2026, 3, 28, 12, tzinfo=BERLIN), datetime(2026, 3, 30, 12, tzinfo=BERLIN)
    assert times("30 2 * * *", begin, end) == ["29 03:00+0200", "30 02:30+0200"]
    assert len(times("0 * * * *", begin, end)) == 47


def test_an_hour_that_comes_twice() -> None:
    """2026-10-25 in Berlin: after 02:59 comes 02:00."""
    begin, end = datetime(2026, 10, 24, 12, tzinfo=BERLIN), datetime(2026, 10, 26, 12, tzinfo=BERLIN)
    assert times("30 2 * * *", begin, end) == ["25 02:30+0200", "26 02:30+0100"]
    assert len(times("0 * * * *", begin, end)) == 49


@pytest.mark.parametrize("fold", [0, 1])
def test_one_that_is_written_in_that_hour_asks_for_what_is_to_come(fold: int) -> None:
    begin = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=fold)
    found = times("30 2 * * *", begin, datetime(2026, 10, 26, 12, tzinfo=BERLIN))
    assert found == ["25 02:30+0200", "26 02:30+0100"][fold:]


SCHEDULES = [
    "30 2 * * *",
    "0 3 * * *",
    "59 1 * * *",
    "*/15 * * * *",
    "0 * * * *",
    "30 2 25 10 *",
    "15 2 * * SUN",
    "0 2,3 * * *",
]
CHANGES = [datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, tzinfo=UTC)]


@given(
    st.sampled_from(SCHEDULES), st.sampled_from(CHANGES), st.integers(0, 6 * 3600),
    st.lists(st.integers(1, 5400), min_size=1, max_size=40),
)  # fmt: skip
def test_however_often_one_looks_each_time_is_due_once(
    schedule: str, change: datetime, offset: int, pauses: list[int]
) -> None:
    """A watcher that looks at these moments, and keeps when it last asked, never asks for a time that has been."""
    last = now = change - timedelta(hours=3) + timedelta(seconds=offset)
    dues: list[datetime] = []
    for pause in pauses:
        now += timedelta(seconds=pause)
        due = next_after(schedule, BERLIN, last)
        assert due is not None and due > last
        if due <= now:
            dues.append(due)
            last = now
    walls = [due.astimezone(BERLIN).replace(tzinfo=None, fold=0) for due in dues]
    assert dues == sorted(set(dues))
    if not schedule.startswith(("*", "0 *")):
        assert len(walls) == len(set(walls)), "a time that the clocks show twice came twice"


@given(st.sampled_from(SCHEDULES), st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)))
def test_what_is_due_is_what_the_schedule_says(schedule: str, moment: datetime) -> None:
    due = next_after(schedule, BERLIN, moment.replace(tzinfo=UTC))
    assert due is not None
    local = due.astimezone(BERLIN)
    minute, hour = schedule.split()[:2]
    skipped = local.hour == 3 and local.minute == 0 and local.date().isoformat() in ("2026-03-29", "2027-03-28")
    assert skipped or minute.startswith("*") or local.minute == int(minute)
    assert skipped or hour == "*" or str(local.hour) in hour.split(",")
