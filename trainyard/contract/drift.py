"""Values that training never saw: who finds them says so here, and the server counts them per column.

An encoder (``models.encoders``) and the server's own check of rows find them, while one route's function runs.
They call ``note`` only where there is something to say, so rows like those of the training cost nothing here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Sink = Callable[[str, int], None]  # column, and how many values of it; called in whatever thread predicts


@dataclass
class Watch:
    """What one thread did while it was watched; ``encoded``: an encoder checked the rows."""

    encoded: bool = False
    thread: int = field(default_factory=threading.get_ident)


watchers: list[Watch] = []  # nearly always empty: that is all that an encoder looks at
_sink: Sink | None = None


def set_sink(sink: Sink | None) -> None:
    """Hand what is noted to ``sink`` from now on; None: to nobody."""
    global _sink
    _sink = sink


def note(column: str, count: int) -> None:
    """``count`` values of ``column`` were out of the range, or not among the categories, that training saw."""
    # What is predicted to warm up is nobody's traffic.
    if _sink is not None and not _own_watches():
        _sink(column, count)


def encoded() -> None:
    """Called by an encoder where there are ``watchers``: it checks the rows by itself, and notes their drift."""
    for watch in _own_watches():
        watch.encoded = True


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Find out what the functions called by this thread do meanwhile; what they note is dropped."""
    watch = Watch()
    watchers.append(watch)
    try:
        yield watch
    finally:
        # By identity: two threads' watches may be equal.
        watchers[:] = [other for other in watchers if other is not watch]


def _own_watches() -> list[Watch]:
    thread = threading.get_ident()
    return [watch for watch in watchers if watch.thread == thread]
