"""What a predict function finds around it: the working directory, and MODEL_NAME. Both are the whole process's.

A module may change them when it is imported and rely on that in every request; so each route finds again what its own
module has left. What a function changes during a request is changed back after it. Audit events (PEP 578) tell of
changes, so a request without one costs nothing. Threads that predict at the same time share both all the same.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any

from trainyard.image.user_code import MODEL_NAME_VARIABLES

_NAMES = frozenset(map(os.fsencode, MODEL_NAME_VARIABLES))
EVENTS = frozenset({"os.chdir", "os.putenv", "os.unsetenv"})

changed: set[int] = set()  # the threads that have made a change since they last came back; nearly always empty


@dataclass(frozen=True)
class Surroundings:
    """``names``: the values of MODEL_NAME and its other spelling; None where one is not set."""

    folder: str
    names: tuple[str | None, ...]

    @classmethod
    def present(cls, otherwise: str = os.sep) -> Surroundings:
        """``otherwise``: the folder where there is none any more."""
        try:
            folder = os.getcwd()  # noqa: PTH109 -- as text
        except FileNotFoundError:
            folder = otherwise
        return cls(folder, tuple(map(os.environ.get, MODEL_NAME_VARIABLES)))

    def restore(self) -> None:
        """Let what is called next find these.

        Raises:
            OSError: the folder is gone.
        """
        os.chdir(self.folder)
        for name, value in zip(MODEL_NAME_VARIABLES, self.names, strict=True):
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_base = Surroundings.present()


def begin() -> None:
    """Called before a route is loaded: what is around it now is what all others find."""
    global _base
    if changed:
        _base.restore()
        changed.clear()
    _base = Surroundings.present()


def note(event: str, arguments: tuple[Any, ...]) -> None:
    """One of the ``EVENTS`` is about to happen, in this thread."""
    if event == "os.chdir" or arguments[0] in _NAMES:
        changed.add(threading.get_ident())


def left() -> Surroundings | None:
    """What this thread has changed them to; None where it has changed nothing."""
    if threading.get_ident() not in changed:
        return None
    found = Surroundings.present(_base.folder)
    return found if found != _base else None


def come_back() -> None:
    """Undo what this thread has changed."""
    thread = threading.get_ident()
    if thread in changed:
        _base.restore()
        changed.discard(thread)
