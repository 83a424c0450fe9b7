"""One at a time, and not for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from waiting import until

from trainyard.errors import TrainyardError
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import SILENT, Recording


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def first() -> None:
        with locked(tmp_path / "lock", "it", Limit("LOCK_TIMEOUT", 5), SILENT):
            order.append("first in")
            time.sleep(0.3)
            order.append("first out")

    thread = threading.Thread(target=first)
    thread.start()
    until(lambda: order)
    with locked(tmp_path / "lock", "it", Limit("LOCK_TIMEOUT", 5), SILENT):
        order.append("second in")
    thread.join()
    assert order == ["first in", "first out", "second in"]


def test_waiting_ends_with_the_settings_name(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock, "it", Limit("LOCK_TIMEOUT", 5), SILENT):
        with (
            pytest.raises(TrainyardError, match="stop it; STOP_TIMEOUT says"),
            locked(lock, "it", Limit("STOP_TIMEOUT", 0), SILENT),
        ):
            pass
        with pytest.raises(TrainyardError, match=r"stop it$"), locked(lock, "it", Limit("", 0), SILENT):
            pass


def test_who_holds_it_is_named_where_no_folder_was(tmp_path: Path) -> None:
    lock = tmp_path / "state" / "locks" / "lock"
    message = rf"^it: another process \({os.getpid()}\) did not end within 0 s"
    for _ in range(2):  # the second time another's number is in the file
        said = Recording()
        with (
            locked(lock, "it", Limit("", 5), said),
            pytest.raises(TrainyardError, match=message),
            locked(lock, "it", Limit("", 0), said),
        ):
            pass
        assert said.noted("step") == [f"Waiting for another process ({os.getpid()}) that works on it ..."]
        lock.write_text("12345678901234567890")


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from trainyard.host.support.locking import locked\n"
        "from trainyard.host.support.command import Limit; from trainyard.host.support.reporter import SILENT\n"
        "with locked(pathlib.Path(sys.argv[1]), 'it', Limit('', 5), SILENT): print('in', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"in\n"
    holder.kill()
    holder.wait()
    with locked(tmp_path / "lock", "it", Limit("LOCK_TIMEOUT", 1), SILENT):
        pass
