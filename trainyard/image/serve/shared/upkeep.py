"""What model code may break for the whole process: standard files, the recursion limit, the log. It is set right again.

The worker does it once a second, and before a connection could get the number of a file that was closed: what is
printed would then go to a client.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass, field

_STREAMS = {1: "stdout", 2: "stderr"}


@dataclass(frozen=True)
class Upkeep:
    """Remembers how things are when it is made, before model code is imported."""

    recursion_limit: int = field(default_factory=sys.getrecursionlimit)
    copies: dict[int, int] = field(default_factory=lambda: {number: _copy(number) for number in (0, *_STREAMS)})

    def set_right(self) -> None:
        """Undo what would break another route, or the server."""
        for number, copy in self.copies.items():
            if not _is_open(number):
                os.dup2(copy, number, inheritable=True)
        for number, name in _STREAMS.items():
            stream = getattr(sys, name)
            if stream is not None and stream.closed:
                setattr(sys, name, os.fdopen(number, "w", buffering=1, closefd=False))
        for handler in logging.root.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream.closed:
                handler.setStream(sys.stderr)
        if sys.getrecursionlimit() < self.recursion_limit:
            sys.setrecursionlimit(self.recursion_limit)
        if logging.root.manager.disable >= logging.WARNING:
            logging.disable(logging.NOTSET)


def _copy(number: int) -> int:
    """At another number; of a file that is not open, of nothing."""
    return os.dup(number) if _is_open(number) else os.open(os.devnull, os.O_RDWR)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
