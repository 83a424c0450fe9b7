"""Processes that model code forks (``os.fork``, ``multiprocessing``) are its own, and no part of the server.

They get the default handlers of signals and none of our sockets: a handler of ours would swallow their SIGTERM, and an
open copy of a connection would keep its client waiting. What ``subprocess`` starts has neither from the beginning.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, Protocol

_ALL_SIGNALS = signal.valid_signals()
_OF_PYTHON = signal.default_int_handler


class Closeable(Protocol):
    """Closing it in a child leaves the parent's open."""

    def close(self) -> None: ...


_handlers: dict[int, Any] = {}  # of the server, by signal
_closed: list[Closeable] = []  # in each child
_thread = threading.local()  # ``mask``: the signals that were blocked before the fork
_watched = False
_own = False  # the next fork is the server's
_is_child = False


def set_apart(*closed: Closeable) -> None:
    """From now on, what this process forks loses the signal handlers that there are now, and has ``closed`` closed.

    A later call replaces this one.
    """
    global _watched
    _handlers.clear()
    found = {number: signal.getsignal(number) for number in _ALL_SIGNALS}
    _handlers.update({number: one for number, one in found.items() if callable(one) and one != _OF_PYTHON})
    _closed[:] = closed
    if not _watched:
        _watched = True
        os.register_at_fork(before=_block_signals, after_in_parent=_unblock_signals, after_in_child=_begin_child)


@contextlib.contextmanager
def of_the_server() -> Iterator[None]:
    """The one fork within is a process of the server."""
    global _own
    _own = True
    try:
        yield
    finally:
        _own = False


def leave_if_child(code: object = 0) -> None:
    """End this process if model code has forked it and let it come back to us: it must not become a second server.

    ``code``: as ``sys.exit`` takes it.
    """
    if _is_child:
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _block_signals() -> None:
    """A signal that reaches the child before its handlers are the default ones would be lost."""
    _thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _thread.mask)


def _begin_child() -> None:
    global _own, _is_child
    if not _own and not _is_child:
        _is_child = True
        for number, handler in _handlers.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        for one in _closed:
            with contextlib.suppress(OSError):
                one.close()
    _own = False
    _unblock_signals()
