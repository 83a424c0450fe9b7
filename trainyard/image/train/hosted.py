"""A training that nobody sits beside: on a compute, where whoever wants it may come and go.

It waits for its files, where they are sent into the container; trains, and hands on what that prints and reports;
keeps what was written until that is fetched, where nobody else keeps it. ``contract/hosted.py`` says how;
``hosted_files.py`` is how files come and go.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from trainyard.contract.hosted import (
    CHUNK,
    ENVIRONMENT,
    FETCHED,
    FOLDER,
    GIVEN,
    KEPT,
    LINKS,
    MARK,
    METRICS,
    OUT_OF_MEMORY,
    OUTPUT,
    STATE,
    STATUS,
    TRAINING,
    WAITING,
    WholeLines,
    frame,
)
from trainyard.contract.run_folder import METRICS as METRICS_FILE
from trainyard.contract.run_folder import MOUNT
from trainyard.errors import EXIT_FAILED, EXIT_KILLED, EXIT_TERMINATED, TrainyardError
from trainyard.image.train.stored import Storage

if TYPE_CHECKING:
    from trainyard.image.train.linked import Links

LOOK = 0.2  # seconds between two looks at marks and metrics
_TERMINATION_LOG = Path("/dev/termination-log")  # what Kubernetes keeps of a container
# What the kernel counts of our control group, of either version.
_KILLS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
_TALKS = "talks"  # a lock among the marks: a worker of a tuning holds it
GRACE = 30  # seconds that a training gets to end by itself


def host(sources: Path, arguments: Sequence[str]) -> int:
    """Train in ``sources`` with the environment as it is; the training's exit status.

    Raises:
        TrainyardError: its files were not sent in time.
    """
    parser = argparse.ArgumentParser(prog="hosted")
    parser.add_argument(
        "--wait", type=int, default=0, help="seconds that its files may take to arrive; 0: they are there"
    )
    parser.add_argument("--keep", type=int, default=0, help="seconds that what it wrote is kept for whoever fetches it")
    parser.add_argument("--limit", type=int, default=0, help="seconds that the training may take; 0: any")
    parser.add_argument(
        "--alone", type=int, default=0, help="seconds for which nobody may talk to a worker of a tuning"
    )
    parser.add_argument("--linked", action="store_true", help="what it wrote goes to a data store, by a link")
    parser.add_argument("--storage", metavar="TASK/TRY", default="", help="its folder there, which keeps what it wrote")
    given = parser.parse_args(arguments)
    task, _, one = given.storage.partition("/")
    storage = Storage(sources) if task else None
    if storage and (status := storage.repeat(task)) is not None:
        return status  # it has ended by itself before, while nobody could see that
    hosted = _Hosted(sources, storage.begin(task, one) if storage else _kept_output(sources) if given.linked else None)
    hosted.listen()
    if given.wait:
        hosted.wait_for_files(given.wait)
    if given.alone:
        hosted.stay(given.alone)
        return 0
    take_secrets(sources)
    links = links_of(sources)
    status = (hosted.fetch(links) if links else 0) or hosted.train(given.limit)
    hosted.say(**{STATUS: status, OUT_OF_MEMORY: status == EXIT_KILLED and _has_run_out_of_memory()})
    if storage and not hosted.is_told_to_end:
        storage.finish(task, one, status)
    with contextlib.suppress(OSError):
        _TERMINATION_LOG.exists() and _TERMINATION_LOG.write_text(f"{status}\n")
    if given.keep and not (links and hosted.put(links)):
        hosted.keep(given.keep)
    return status


def links_of(sources: Path, *, keep: bool = False) -> Links | None:
    """Those that came with the files, where there is a data store."""
    if not (sources / MOUNT / FOLDER / LINKS).exists():
        return None
    from trainyard.image.train.linked import take_links  # a training that has none needs no HTTP

    return take_links(sources, keep=keep)


def take_secrets(sources: Path, *, keep: bool = False) -> None:
    """Into our environment, what of it came with the files; ``keep``: another worker may need it, too."""
    path = sources / MOUNT / FOLDER / ENVIRONMENT
    if path.exists():
        os.environ.update(json.loads(path.read_text()))
        if not keep:
            path.unlink()


def talk(sources: Path) -> NoReturn:
    """Become a worker of a tuning, which ``stay`` stays for."""
    take_secrets(sources, keep=True)
    lock = os.open(sources / MOUNT / FOLDER / _TALKS, os.O_CREAT | os.O_WRONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    if links := links_of(sources, keep=True):
        links.fetch(sources)
    os.execv(sys.executable, [sys.executable, "-m", "trainyard.image.train", "trials", "sending"])  # noqa: S606


def _kept_output(sources: Path) -> IO[bytes]:
    """Where what is said is written; it goes to a data store with what was trained."""
    path = sources / MOUNT / FOLDER / OUTPUT
    path.parent.mkdir(exist_ok=True)
    return path.open("wb", buffering=0)


class _Hosted:
    """The training, and what is said of it."""

    def __init__(self, sources: Path, copy: IO[bytes] | None) -> None:
        self._sources = sources
        self._copy = copy  # of what is said
        self._run = sources / MOUNT
        self._marks = self._run / FOLDER
        self._metrics = WholeLines(self._run / METRICS_FILE)  # what another try has reported is known
        self._child: subprocess.Popen[bytes] | None = None
        self.is_told_to_end = False

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, number: int, _frame: Any) -> None:
        """The training is told, and gets the time that whoever tells us gives."""
        if self._child is None:
            raise SystemExit(EXIT_TERMINATED)
        self.is_told_to_end = True
        self._child.send_signal(number)

    def say(self, **content: Any) -> None:
        self._write(frame(**content))

    def wait_for_files(self, seconds: int) -> None:
        self.say(**{STATE: WAITING})
        if not self._marked(GIVEN, seconds):
            raise TrainyardError(f"nobody sent the files of this training within {seconds} s", "", EXIT_FAILED)

    def fetch(self, links: Links) -> int:
        """What is read comes from a data store; the exit status where it does not."""
        try:
            links.fetch(self._sources)
        except TrainyardError as error:
            self._write(f"error: {error}\n".encode())
            return error.exit_code
        return 0

    def put(self, links: Links) -> bool:
        """What was written goes to a data store; False where it stays here, until it is fetched."""
        if self.is_told_to_end:
            return False
        try:
            links.put(self._sources)
        except (OSError, TrainyardError) as error:
            self._write(f"warning: {error}; what was trained waits here to be fetched\n".encode())
            return False
        return True

    def stay(self, seconds: int) -> None:
        """As long as somebody talks to a worker here, and for some seconds more."""
        lock = os.open(self._marks / _TALKS, os.O_CREAT | os.O_WRONLY)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(lock, fcntl.LOCK_UN)
            except BlockingIOError:
                until = time.monotonic() + seconds
            time.sleep(LOOK)

    def keep(self, seconds: int) -> None:
        if not self.is_told_to_end:
            self.say(**{STATE: KEPT})
            self._child = None  # a signal ends us
            self._marked(FETCHED, seconds)

    def _marked(self, name: str, seconds: int) -> bool:
        until = time.monotonic() + seconds
        while not (self._marks / name).exists():
            if time.monotonic() > until:
                return False
            time.sleep(LOOK)
        return True

    def train(self, limit: int = 0) -> int:
        """Its exit status, as a shell gives it; as timeout(1) where it took longer than it may."""
        self.say(**{STATE: TRAINING})
        timeout = ["timeout", f"--kill-after={GRACE}", str(limit)] if limit else []
        argv = [*timeout, sys.executable, "-m", "trainyard.image.train"]
        self._child = child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert child.stdout
        self._hand_on(child, child.stdout)
        status = child.wait()
        self._report()
        return status if status >= 0 else 128 - status

    def _hand_on(self, child: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        """Until the training has ended, and has closed its output or left that to something it has started."""
        while True:
            ready, _, _ = select.select([output], [], [], LOOK)
            if ready:
                if not (chunk := os.read(output.fileno(), CHUNK)):
                    return
                self._write(chunk.replace(MARK, b"?"))
            elif child.poll() is not None:
                return
            self._report()

    def _report(self) -> None:
        """Hand on the lines that have come to its metrics since."""
        if lines := self._metrics.new():
            self.say(**{METRICS: lines})

    def _write(self, content: bytes) -> None:
        """Whole, whatever becomes of whoever reads it, and of the storage."""
        if self._copy:
            with contextlib.suppress(OSError):
                self._copy.write(content)
        with contextlib.suppress(BrokenPipeError):
            while content:
                content = content[os.write(1, content) :]


def _has_run_out_of_memory() -> bool:
    """Whether the kernel has killed a process in our container for its memory."""
    for path in _KILLS:
        with contextlib.suppress(OSError):
            counts = dict(line.split() for line in path.read_text().splitlines())
            return counts.get("oom_kill", "0") != "0"
    return False
