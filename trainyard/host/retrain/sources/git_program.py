"""git, cut off from what this machine and its user have configured, within limits of time and size.

A secret is handed over by a pipe that the credential helper reads: it is in no argument, variable or file. The helper
is that of one address, so that git has nothing to answer where another host asks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from trainyard.contract.files import CHUNK
from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_credentials import GitCredential
from trainyard.host.retrain.sources.git_environment import environment, ssh_command
from trainyard.host.retrain.sources.git_errors import FetchError, Trouble, explained
from trainyard.host.retrain.sources.git_uri import GitUri
from trainyard.host.retrain.sources.masking import Mask
from trainyard.settings.retrain import JobSettings

GRACE = 5  # seconds that a program that git has left behind may keep its output open
POLL = 0.1  # seconds between two looks at time and size
TAIL = 64 << 10  # bytes of what git complains about that are kept
NETWORK = ("ls-remote", "fetch")  # what talks to a server, and is given the credential
MOST_OUTPUT = 8 << 20  # bytes of an answer that is wanted as a whole
# A service that is killed takes its git with it: what git has started would wait for a silent server for ever. The
# shell stays beside git, so that somebody waits for the one that watches. 0 is the group that all of them are in.
WITH_US = """
{ read -r _ </dev/fd/$0; kill -KILL 0; } >/dev/null 2>&1 &
"$@"
status=$?
kill -KILL $!
wait 2>/dev/null
exit $status
"""


@dataclass
class Limits:
    """What one fetch may take, its submodules included; 0 is any. ``taken``: bytes of the files so far."""

    seconds: int
    megabytes: int
    begun: float = field(default_factory=time.monotonic)
    taken: int = 0

    @classmethod
    def of(cls, settings: JobSettings) -> Limits:
        return cls(settings.fetch_timeout, settings.fetch_mb)

    def exceeded(self, what: str, size: int = 0) -> FetchError | None:
        """Why it has to end; None while it may go on. ``size``: bytes that it has by now."""
        if self.seconds and time.monotonic() - self.begun > self.seconds:
            return FetchError(
                Trouble.TIMEOUT, f"{what}: fetching took longer than {self.seconds} s and was stopped",
                "set RETRAIN_FETCH_TIMEOUT to allow more seconds",
            )  # fmt: skip
        if self.megabytes and size > self.megabytes * 1_000_000:
            return FetchError(
                Trouble.TOO_LARGE, f"{what}: it has more than {self.megabytes} MB", "set RETRAIN_FETCH_MB to allow more"
            )
        return None


@dataclass(frozen=True)
class Git:
    """git in one folder, for one address (None: no network at all)."""

    folder: Path
    what: str
    limits: Limits
    uri: GitUri | None = None
    credential: GitCredential | None = None
    known_hosts: str = ""

    def run(self, *arguments: str, repository: bool = True) -> str:
        """What git prints.

        Raises:
            FetchError: it failed, or a limit is exceeded.
        """
        pieces, length = [], 0
        for piece in self.pieces(*arguments, repository=repository):
            length += len(piece)
            if length > MOST_OUTPUT:
                raise FetchError(
                    Trouble.TOO_LARGE, f"{self.what}: git {arguments[0]} says more than {MOST_OUTPUT} bytes",
                    "look what is odd about the repository",
                )  # fmt: skip
            pieces.append(piece)
        return b"".join(pieces).decode(errors="replace").strip("\n")

    def pieces(self, *arguments: str, repository: bool = True) -> Generator[bytes, None, None]:
        """The same, as it comes. Whoever stops to read, stops git."""
        mask = Mask([self.credential.secret] if self.credential else [])
        with contextlib.ExitStack() as closing:
            held = closing.enter_context(_held_pipe())
            uri = self.uri if arguments[0] in NETWORK else None
            pipe = closing.enter_context(_secret_pipe(self.credential)) if uri else None
            ssh = ssh_command(self.known_hosts, self.credential.key if self.credential else None)
            environ = environment(self.folder / ".git" if repository else None, ssh, uri, pipe)
            process = _start(arguments, self.folder, environ, (held,) if pipe is None else (held, pipe))
            closing.callback(_end, process)
            tail = _Tail(process.stderr)
            watch = _Watch(self, process, sized=arguments[0] == "fetch")
            try:
                assert process.stdout
                while piece := os.read(process.stdout.fileno(), CHUNK):
                    yield piece
                status = process.wait()
            finally:
                _kill(process)
                watch.end()
                tail.join(GRACE)
        if watch.error:
            raise watch.error
        if status == 127:
            raise TrainyardError("git is not on PATH", "install git")
        if status:
            raise explained(self.what, mask.text(tail.text))  # a server may send back what it was sent


@contextlib.contextmanager
def _secret_pipe(credential: GitCredential | None) -> Iterator[int | None]:
    """A descriptor that the helper reads user and password from, once; None where there is no password."""
    if credential is None or not credential.secret:
        yield None
        return
    reading, writing = os.pipe()
    try:
        os.write(writing, f"username={credential.user}\npassword={credential.secret}\n".encode())
        os.close(writing)
        yield reading
    finally:
        os.close(reading)


def _start(
    arguments: tuple[str, ...], folder: Path, environ: Mapping[str, str], descriptors: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    """git in a group of its own, which ends when nobody holds the other end of the first of the descriptors."""
    try:
        return subprocess.Popen(
            ["sh", "-c", WITH_US, str(descriptors[0]), "git", *arguments], cwd=folder, env=environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0,
            pass_fds=descriptors,
        )  # fmt: skip
    except FileNotFoundError:
        raise TrainyardError("sh is not on PATH", "set PATH as it is in a shell") from None


@contextlib.contextmanager
def _held_pipe() -> Iterator[int]:
    """The end of a pipe whose other end only this process has, while the block runs."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Watch(threading.Thread):
    """Looks at time and size while git runs, and kills it where one is exceeded."""

    def __init__(self, git: Git, process: subprocess.Popen[bytes], *, sized: bool) -> None:
        super().__init__(daemon=True)
        self.error: FetchError | None = None
        self._git, self._process, self._sized = git, process, sized
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(POLL):
            git = self._git
            size = git.limits.taken + _size(git.folder / ".git" / "objects") if self._sized else 0
            if error := git.limits.exceeded(git.what, size):
                self.error = error
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                return

    def end(self) -> None:
        self._over.set()
        self.join()


class _Tail(threading.Thread):
    """Reads to the end, and keeps the end: a server may send as much as it likes."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        self._stream, self._kept = stream, b""
        self.start()

    def run(self) -> None:
        # It is closed while this reads where a program that git has left behind still holds the other end.
        with contextlib.suppress(OSError, ValueError):
            while self._stream and (piece := os.read(self._stream.fileno(), TAIL)):
                self._kept = (self._kept + piece)[-TAIL:]

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")


def _size(folder: Path) -> int:
    """Bytes of the files in a folder that changes meanwhile."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(path) / name).lstat().st_size
    return total
