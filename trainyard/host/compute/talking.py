"""Programs that reach a compute: what they read, what they print, why they fail, and a time that they may take."""

from __future__ import annotations

import contextlib
import io
import os
import select
import subprocess
import tarfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import AwayError
from trainyard.host.support.command import Limit

SEPARATOR = " / "  # between lines of a complaint
Failure = Callable[[int, str], TrainyardError]  # why: of an exit status, and the last ``lines`` on standard error


def started(argv: Sequence[str], *, reads: bool = True) -> subprocess.Popen[bytes]:
    """A program in a session of its own: Ctrl-C is ours. What it does not read (``reads``) is empty.

    Raises:
        TrainyardError: it is not here.
    """
    stdin = subprocess.PIPE if reads else subprocess.DEVNULL
    try:
        return subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise TrainyardError(f"{error.filename}: {error.strerror}", "install it", EXIT_FAILED) from None


@contextlib.contextmanager
def talking(
    name: str, argv: Sequence[str], limit: Limit, failure: Failure, lines: int = 2
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A program that runs meanwhile, for the compute ``name``: what it reads, and what it prints. It has to end when
    the block is through.

    Raises:
        AwayError: it takes longer than it may.
        TrainyardError: it fails; what ``failure`` makes of that.
    """
    process = started(argv)
    late = threading.Event()

    def expire() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(limit.seconds or threading.TIMEOUT_MAX, expire)
    timer.daemon = True
    timer.start()
    complaints = Complaints(process.stderr, lines)
    assert process.stdin
    assert process.stdout
    try:
        try:
            yield process.stdin, process.stdout
        except (BrokenPipeError, tarfile.ReadError):
            if not process.wait():  # else what it complained about says why
                raise
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.read()
        status = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    if late.is_set():
        raise AwayError(
            f"compute {name}: no answer within {limit.seconds} s", f"{limit.setting} allows more", EXIT_FAILED
        )
    if status:
        raise failure(status, complaints.text)


class Lively(io.RawIOBase):
    """What a program prints, which does not fall silent: a connection to a machine that is lost may stay for hours."""

    def __init__(self, stream: IO[bytes], name: str, limit: Limit) -> None:
        super().__init__()
        self._stream, self._name, self._limit = stream, name, limit

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Raises:
        AwayError: it is silent for longer than ``limit``."""
        if not select.select([self._stream], [], [], self._limit.seconds or None)[0]:
            raise AwayError(f"compute {self._name}: silent for {self._limit.seconds} s", "", EXIT_FAILED)
        return os.read(self._stream.fileno(), 1 << 16 if size < 0 else size)


def write_all(stream: IO[bytes], content: bytes) -> None:
    """Write, and end: whoever reads finds the end there."""
    with contextlib.suppress(BrokenPipeError):  # it does not read: its status says why
        stream.write(content)
        stream.close()


class Complaints:
    """The end of what a program complains about, read so that it never waits for us."""

    def __init__(self, stream: IO[bytes] | None, lines: int = 2) -> None:
        self._last: deque[bytes] = deque(maxlen=lines)
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes] | None) -> None:
        with contextlib.suppress(ValueError):  # closed
            for line in stream or ():
                if line.strip():
                    self._last.append(line)

    @property
    def text(self) -> str:
        """Once the program has ended."""
        self._thread.join(1)
        return SEPARATOR.join(line.decode(errors="replace").strip() for line in self._last)
