"""What triggers remember, in both databases that the service has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from experiments.stores import postgresql
from sqlalchemy import Engine

from trainyard.host.retrain.jobs.database import open_database
from trainyard.host.retrain.triggers.deliveries import MOST, Deliveries
from trainyard.host.retrain.triggers.trigger_store import SqlTriggerStore


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        yield open_database("", tmp_path)
        return
    with postgresql() as url:
        opened = open_database(url, tmp_path)
        yield opened
        opened.dispose()


def test_values_are_kept_and_replaced(engine: Engine) -> None:
    store = SqlTriggerStore(engine)
    assert store.get("schedule people/income") is None
    for value in ({"last": "2026-11-30", "é": [1, None, True]}, "v2", 0, None):
        store.set("schedule people/income", value)
        store.set("schedule people/age", "other")
        assert SqlTriggerStore(engine).get("schedule people/income") == value
    assert store.get("schedule people/age") == "other"


def test_threads_that_write_at_once_lose_nothing(engine: Engine) -> None:
    store = SqlTriggerStore(engine)

    def write(number: int) -> None:
        store.set(f"own {number}", number)
        store.set("shared", number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert [store.get(f"own {number}") for number in range(40)] == list(range(40))
    assert store.get("shared") in range(40)


def test_old_deliveries_are_forgotten_and_not_the_new_ones(engine: Engine) -> None:
    deliveries = Deliveries(SqlTriggerStore(engine))
    assert deliveries.add([f"github {number}" for number in range(MOST)])
    assert deliveries.add(["github new"])
    assert not deliveries.add(["github new"])
    assert not deliveries.add([f"github {MOST - 1}"])
    assert deliveries.add(["github 0"])
