"""The service in the background: started, found, ended.

.trainyard/retrain/service.lock   held by the service, whose process it names
.trainyard/retrain/service.log    what one in the background says
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.retrain.work.job_folder import FOLDER

_LOOK = 0.1  # seconds between two looks at whether it answers, or is gone
_LAST_LINES = 20


def start(session: Session, url: str) -> None:
    """Start the service, and return when it answers at ``url``.

    Raises:
        TrainyardError: it ended, or does not answer within READY_TIMEOUT; its last lines are shown.
    """
    log, seconds = _folder(session) / "service.log", session.settings.ready_timeout
    argv = [sys.executable, "-P", "-m", "trainyard", "retrain-service", str(session.repository.root), "--no-detach"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )  # fmt: skip
    deadline = time.monotonic() + seconds
    try:
        while not _answers(url):
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                for line in log.read_text(errors="replace").splitlines()[-_LAST_LINES:]:
                    session.reporter.line(f"    {line.removeprefix('error: ')}")
                what = "has ended" if ended else f"does not answer after {seconds} s"
                hint = "" if ended else "READY_TIMEOUT allows more"
                raise TrainyardError(f"the retrain service {what}: its last lines are above", hint, EXIT_FAILED)
            time.sleep(_LOOK)
    except BaseException:  # Ctrl-C too: nobody would know of a service that is left behind
        process.terminate()
        raise


def stop(session: Session) -> bool:
    """End the service of this monorepo, and wait until it is gone; False where none runs.

    Raises:
        TrainyardError: it does not end within STOP_TIMEOUT.
    """
    deadline = time.monotonic() + session.settings.stop_timeout
    if (process := holder(session)) is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
    while holder(session) is not None:
        if time.monotonic() > deadline:
            raise TrainyardError(
                f"the retrain service (process {process}) does not end within {session.settings.stop_timeout} s",
                f"STOP_TIMEOUT allows more, or kill -9 {process}: its jobs go on", EXIT_FAILED,
            )  # fmt: skip
        time.sleep(_LOOK)
    return True


def holder(session: Session) -> int | None:
    """The process of the service that runs."""
    try:
        with _lock(session).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(_lock(session).read_text() or 0) or None
    return None


@contextlib.contextmanager
def alone(session: Session) -> Iterator[None]:
    """One service for each monorepo: two would hand out the same jobs.

    Raises:
        TrainyardError: another one runs.
    """
    with _lock(session).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise TrainyardError(
                f"another retrain service of this monorepo runs (process {file.read()})", "make retrain-stop ends it",
                EXIT_FAILED,
            ) from None  # fmt: skip
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(session: Session) -> Path:
    return _folder(session) / "service.lock"


def _folder(session: Session) -> Path:
    folder = session.repository.state / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/livez", timeout=1):  # noqa: S310 -- our own service
            return True
    except OSError:
        return False
