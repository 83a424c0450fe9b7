"""What a client may send, how long it may take, and how much a worker holds of what has not arrived whole."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from trainyard.settings.image import ImageSettings

LONGEST_LINE = 8190  # of the request line, and of one header
LONGEST_HEAD = 1 << 16  # also of what stands between two pieces of a body, and of all trailers
RECEIVE_BYTES = 1 << 18
LEAST_BUFFER = 64 << 20
BODIES = 4  # of the largest size, that a worker holds by default
OF_MEMORY = 4  # the part of the memory that all workers' buffers may take by default
WAITING_BYTES = 1 << 10  # what a request that waits behind another takes besides its body
MOST_AT_ONCE = 16  # requests of one connection in a turn: those of others come between
YOUNG_SECONDS = 0.1  # added to the age of a request, so that its size counts at once


@dataclass(frozen=True)
class Limits:
    """``body`` in bytes; in seconds: ``head``, for all of it; ``silence``, between two pieces of a body or of an answer
    that the client reads; ``idle``, between two requests."""

    body: int
    head: int
    silence: int
    idle: int

    @classmethod
    def of(cls, settings: ImageSettings) -> Limits:
        """What the settings say."""
        return cls(settings.max_body_mb << 20, settings.head_timeout, settings.body_timeout, settings.keep_alive)


def buffer_bytes(settings: ImageSettings, memory: int, workers: int) -> int:
    """What one worker may hold of requests that have not arrived whole: BUFFER_MB, or what suits the memory.

    Args:
        settings: BUFFER_MB, and MAX_BODY_MB, which always fits.
        memory: bytes for all processes, 0 where there is no limit.
        workers: that there are.
    """
    body = settings.max_body_mb << 20
    wanted = settings.buffer_mb << 20 or max(BODIES * body, LEAST_BUFFER)
    if memory and not settings.buffer_mb:
        wanted = min(wanted, memory // OF_MEMORY // max(1, workers))
    return max(wanted, body) + 2 * RECEIVE_BYTES


class Holder(Protocol):
    """A connection that a request arrives on; ``began`` on the monotonic clock."""

    @property
    def began(self) -> float: ...

    def give_up(self) -> None:
        """Forget what has arrived: it is answered by an error."""


H = TypeVar("H", bound=Holder)


class Buffers(Generic[H]):
    """What the connections of one worker hold, in bytes. Above ``limit`` those give up that held most for longest."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self.given_up: list[H] = []  # that are to be answered
        self.later: dict[H, None] = {}  # whose waiting requests go on in the next turn
        self._limit = limit
        self._sizes: dict[H, int] = {}

    def hold(self, holder: H, size: int) -> None:
        """Note what one holds now."""
        self.total += size - self._sizes.pop(holder, 0)
        if size:
            self._sizes[holder] = size
        while self.total > self._limit:
            self._relieve(time.monotonic())

    def _relieve(self, now: float) -> None:
        """Size times age: a small request is never the largest, nor is one that arrives at full speed for long."""
        worst = max(self._sizes, key=lambda holder: self._sizes[holder] * (now - holder.began + YOUNG_SECONDS))
        self.total -= self._sizes.pop(worst)
        self.given_up.append(worst)
        worst.give_up()
