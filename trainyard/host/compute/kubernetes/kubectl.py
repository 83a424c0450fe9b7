"""kubectl, which brings contexts, logins and streams; and what it complains about, told apart."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import AwayError
from trainyard.host.compute.talking import SEPARATOR, talking, write_all
from trainyard.host.support.command import Limit

Answer = TypeVar("Answer")
PROGRAM = "kubectl"
_POLL = 1.0  # seconds between two calls of a cluster that is away
_LINES = 20  # of what it complains about: a reason may come before advice
_NOISE = re.compile(r"[EWI]\d{4} |It looks like|To learn more|\s*https?://|Defaulted container")
_FORBIDDEN = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"')
_NO_NAMESPACE = re.compile(r'namespaces "([^"]+)" not found')
_NO_CONTEXT = re.compile(r"context was not found|cannot locate context|current-context must exist|localhost:8080")
_NOT_LOGGED_IN = re.compile(
    r"must be logged in|\(Unauthorized\)|getting credentials|expired certificate|certificate has expired"
)
_AWAY = re.compile(
    r"was refused|Unable to connect|no such host|i/o timeout|connection refused|connection reset|unexpected EOF|"
    r"TLS handshake timeout|connection lost|error dialing backend|etcdserver|no route to host|deadline exceeded|"
    r"\((ServiceUnavailable|Timeout|ServerTimeout|InternalError|TooManyRequests)\)|broken pipe|use of closed network|"
    r"Internal error occurred|unable to upgrade connection"
)  # fmt: skip


# What kubectl calls in a pod was killed with it, or by its node.
_KILLED = re.compile(r"command terminated with exit code (129|1[3-9]\d|2\d\d)")


class NotFoundError(TrainyardError):
    """An object that is not there (any more)."""


class ExistsError(TrainyardError):
    """An object that is there already."""


class NoNamespaceError(TrainyardError):
    """The namespace is not there."""


class ForbiddenError(TrainyardError):
    """``permission``: what whoever asks may not do, such as "create jobs"."""

    def __init__(self, message: str, hint: str, permission: str) -> None:
        super().__init__(message, hint, EXIT_FAILED)
        self.permission = permission


def patiently(call: Callable[[], Answer], patience: int) -> Answer:
    """The answer of a cluster that may be away for some seconds."""
    silent_since = time.monotonic()
    while True:
        try:
            return call()
        except AwayError:
            if time.monotonic() - silent_since > patience:
                raise
            time.sleep(_POLL)


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl for the compute ``name``."""

    name: str
    context: str
    namespace: str
    call: Limit
    copy: Limit

    def argv(self, *arguments: str) -> list[str]:
        """A call; an option comes before the command, which may have a command of its own behind it."""
        options = [f"--context={self.context}"] if self.context else []
        options += [f"--namespace={self.namespace}"] if self.namespace else []
        return [PROGRAM, *options, *arguments]

    def ask(self, *arguments: str, given: str = "") -> bytes:
        """What a call prints, which reads ``given``.

        Raises:
            AwayError: the cluster does not answer.
            TrainyardError: it refuses; one of the classes above where it says why.
        """
        with self.talk(*arguments, limit=self.call) as (stdin, stdout):
            write_all(stdin, given.encode())
            return stdout.read()

    def objects(self, *arguments: str, given: str = "") -> list[dict[str, Any]]:
        """The objects that a call prints, one after the other or as a list."""
        found = list[dict[str, Any]]()
        printed, place = self.ask(*arguments, "--output=json", given=given).decode(errors="replace").strip(), 0
        while place < len(printed):
            one, place = json.JSONDecoder().raw_decode(printed, place)
            found += one["items"] if one["kind"].endswith("List") else [one]
            place += len(printed[place:]) - len(printed[place:].lstrip())
        return found

    @contextlib.contextmanager
    def talk(self, *arguments: str, limit: Limit) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """A call that runs meanwhile: what it reads, and what it prints. Raises as ``ask``."""
        with talking(self.name, self.argv(*arguments), limit, self.failure, _LINES) as streams:
            yield streams

    def failure(self, status: int, complaints: str) -> TrainyardError:
        """Why a call failed."""
        lines = [line for line in complaints.split(SEPARATOR) if not _NOISE.match(line)]
        reason = SEPARATOR.join(lines[-2:]).removeprefix("error: ") or f"{PROGRAM} ended with status {status}"
        text = f"compute {self.name}: {reason}"
        if _NO_CONTEXT.search(complaints):
            wanted = f"no context {self.context}" if self.context else "no current context"
            return TrainyardError(
                f"compute {self.name}: {PROGRAM} has {wanted}",
                f"{PROGRAM} config get-contexts lists them; `context` in compute.yaml names one", EXIT_FAILED,
            )  # fmt: skip
        if _NOT_LOGGED_IN.search(complaints):
            first = next((line for line in lines if _NOT_LOGGED_IN.search(line)), reason)
            return TrainyardError(f"compute {self.name}: {first.removeprefix('error: ')}", "log in again", EXIT_FAILED)
        if found := _FORBIDDEN.search(complaints):
            permission = f"{found['verb']} {found['resource']}"
            return ForbiddenError(text, f"ask for the permission to {permission}: docs/compute.md", permission)
        if found := _NO_NAMESPACE.search(complaints):
            return NoNamespaceError(f"compute {self.name}: there is no namespace {found[1]}", "", EXIT_FAILED)
        if "AlreadyExists" in complaints:
            return ExistsError(text, "", EXIT_FAILED)
        if "NotFound" in complaints:
            return NotFoundError(text, "", EXIT_FAILED)
        if _AWAY.search(complaints) or _KILLED.search(complaints):
            return AwayError(text, f"try: {' '.join(self.argv('get', 'jobs'))}", EXIT_FAILED)
        return TrainyardError(text, "", EXIT_FAILED)
