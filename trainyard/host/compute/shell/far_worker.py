"""A worker of a tuning on a machine that a shell reaches: why it has ended; and it waits for a machine that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.engines.container_output import Attached, Conversation, Output

_POLL = 1.0  # seconds between two tries to reach its machine
_LAST = 2000  # bytes of what it writes to standard error


class FarWorker(Conversation):
    """``is_away`` says of an exit status whether its machine could not be reached, ``is_lost`` of that and of what it
    complained about whether it was ended from outside. ``patience``: seconds for which its machine may be away before
    it has begun."""

    def __init__(
        self, start: Callable[[Output], Attached], stop: Callable[[], object], heard: Output,
        is_away: Callable[[int], bool], is_lost: Callable[[int, str], bool], patience: int,
    ) -> None:  # fmt: skip
        self._start, self._stop_there, self._heard = start, stop, heard
        self._is_away, self._is_lost, self._patience = is_away, is_lost, patience
        self._has_begun = self._lost = False
        self._given_up = threading.Event()
        self._last = b""
        super().__init__(start(self._listen), self._end_there)

    def _listen(self, content: bytes, is_error: bool) -> None:
        if is_error:
            self._last = (self._last + content)[-_LAST:]
        else:
            self._has_begun = True
        self._heard(content, is_error)

    def wait(self) -> int:
        silent_since = time.monotonic()
        while True:
            status = self._program.wait()
            if self._has_begun or not self._is_away(status):
                break
            if time.monotonic() - silent_since > self._patience or self._given_up.wait(_POLL):
                return EXIT_FAILED  # what it complained about says why
            self._program = self._start(self._listen)
            if self._given_up.is_set():  # who closes has not seen this one
                self._program.process.kill()
        self._lost = self._has_begun and self._is_lost(status, self._last.decode(errors="replace"))
        return status

    @property
    def lost(self) -> bool:
        return self._lost

    def _end_there(self) -> None:
        with suppress(TrainyardError):  # who ends the tuning removes all that is left
            self._stop_there()

    def close(self, seconds: float) -> None:
        self._given_up.set()
        super().close(seconds)
