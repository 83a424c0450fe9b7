"""What the workers of a fetch fetch next."""

import threading
from pathlib import Path

from trainyard.host.data.parts import PART, Parts
from trainyard.host.data.schedule import Schedule
from trainyard.host.data.store import Item


def _schedule(folder: Path, *sizes: int) -> Schedule:
    items = [Item(f"{number}.bin", size, "v1", 0.0) for number, size in enumerate(sizes)]
    return Schedule(items, lambda item: Parts(folder, "s3://lake", item), threading.Event())


def test_a_large_file_is_fetched_in_its_order_by_one_worker(tmp_path: Path) -> None:
    schedule, unit = _schedule(tmp_path, 3 * PART, 10), None
    found = []
    while (unit := schedule.next(unit)) is not None:
        found.append((unit.item.path, unit.offset))
    assert found == [("0.bin", 0), ("0.bin", PART), ("0.bin", 2 * PART), ("1.bin", 0)]


def test_a_worker_without_a_file_of_its_own_takes_the_last_part(tmp_path: Path) -> None:
    schedule = _schedule(tmp_path, 3 * PART)
    own = schedule.next(None)
    taken = []
    helper = threading.Thread(target=lambda: taken.append(schedule.next(None)))
    helper.start()
    helper.join(10)
    assert own is not None and own.offset == 0
    assert [unit and unit.offset for unit in taken] == [2 * PART]


def test_nobody_waits_for_a_part_that_failed(tmp_path: Path) -> None:
    schedule = _schedule(tmp_path, PART + 1)
    first = schedule.next(None)
    last = schedule.next(first)  # the first was never written
    assert last is not None and last.offset == PART
    assert schedule.next(last) is None
