"""A shell on this machine, or on another one by ssh: commands, and streams to and from them."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import AwayError
from trainyard.host.compute.talking import Complaints, talking, write_all
from trainyard.host.support.command import Limit

SSH_FAILED = 255  # ssh's own exit status
# Nobody is there to answer a question; a machine that is lost says nothing.
_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15")
# One connection serves many calls; it ends by itself.
_SHARED = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Shell:
    """Runs commands of the shell ``sh``. ``host``: empty for this machine."""

    name: str
    host: str
    options: Sequence[str]
    call: Limit
    copy: Limit

    def argv(self, script: str, *arguments: str) -> list[str]:
        """A command that runs a script there, with ``$1`` and so on; nothing in the arguments is read by a shell."""
        command = ["sh", "-c", script, "sh", *arguments]
        return [*self._ssh, shlex.join(command)] if self.host else command

    @property
    def _ssh(self) -> list[str]:
        folder = private_folder()
        shared = [*_SHARED, "-o", f"ControlPath={folder}/%C"] if folder else []
        return ["ssh", *self.options, *_OPTIONS, *shared, "--", self.host]

    def ask(self, script: str, *arguments: str, given: bytes = b"", limit: Limit | None = None) -> bytes:
        """What a script prints, which reads ``given``; within ``limit``, or that of a call.

        Raises:
            AwayError: the machine does not answer.
            TrainyardError: the script fails.
        """
        with self.talk(script, *arguments, limit=limit or self.call) as (stdin, stdout):
            # A script that prints while it reads would wait for us.
            writing = threading.Thread(target=write_all, args=(stdin, given), daemon=True)
            writing.start()
            printed = stdout.read()
            writing.join()
            return printed

    def send(self, source: Sequence[str], script: str, *arguments: str) -> None:
        """Have a script read what a command of this machine writes."""
        with (
            subprocess.Popen(source, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writing,
            self.talk(script, *arguments, limit=self.copy) as (stdin, _),
        ):
            complaints = Complaints(writing.stderr)
            try:
                assert writing.stdout
                shutil.copyfileobj(writing.stdout, stdin, _CHUNK)
            except BaseException:
                writing.kill()
                raise
            if writing.wait():
                raise TrainyardError(f"{source[0]} failed: {complaints.text}", "", EXIT_FAILED)

    @contextlib.contextmanager
    def talk(self, script: str, *arguments: str, limit: Limit) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """A script that runs meanwhile: what it reads, and what it prints. It has to end when the block is through.

        Raises:
            AwayError: the machine does not answer, or the script takes longer than it may.
            TrainyardError: the script fails.
        """
        with talking(self.name, self.argv(script, *arguments), limit, self.failure) as streams:
            yield streams

    def failure(self, status: int, complaints: str) -> TrainyardError:
        """Why a call failed."""
        reason = complaints.removeprefix("error: ") or f"status {status}"
        if self.host and status == SSH_FAILED:
            return AwayError(f"compute {self.name}: {reason}", f"try: ssh {self.host}", EXIT_FAILED)
        return TrainyardError(f"compute {self.name}: {reason}", "", EXIT_FAILED)


def private_folder() -> Path | None:
    """A folder for sockets, whose names may not be long; None where somebody else has taken its name."""
    folder = Path(tempfile.gettempdir(), f"trainyard-{os.getuid()}")
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return folder
    return None
