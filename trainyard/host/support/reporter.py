"""How what goes on below the verbs is reported: by an object that is handed in.

The command line hands in the terminal (``console.py``), a service or a test something of its own. Builds, uploads and
trainings report from threads of theirs: every method may be called from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Kind = Literal["step", "warning", "line", "would", "output", "error output"]
Counted = Callable[[int, str], None]  # how many are over, and a remark


class Reporter(Protocol):
    """Shows what goes on, while it goes on."""

    def step(self, text: str) -> None:
        """One line of progress."""

    def warn(self, text: str) -> None:
        """One line about something that ends nothing, and that somebody should know."""

    def line(self, text: str = "") -> None:
        """A line that another program has printed, as it is."""

    def would(self, text: str) -> None:
        """One line of a dry run: a command, or what would be done to a file."""

    def output(self, content: bytes, is_error: bool) -> None:
        """What a program in the foreground has written, as it is."""

    def waiting(self, text: str) -> AbstractContextManager[None]:
        """Something long goes on while the block runs."""

    def progress(self) -> AbstractContextManager[Callable[[str], None]]:
        """Gives a function that takes how far something long is."""

    def status(self, text: str) -> bool:
        """A line below the output, in place of the last; an empty one removes it. False where nothing is shown so."""

    def confirm(self, question: str, unanswered: bool) -> bool:
        """A question that is answered by yes or no; ``unanswered`` where nobody is there."""

    def counting(self, what: str, total: int) -> AbstractContextManager[Counted | None]:
        """Gives a function that takes how many of ``total`` are over; None where nothing is shown so."""


class Silent:
    """Shows nothing."""

    def step(self, text: str) -> None:
        self.note("step", text)

    def warn(self, text: str) -> None:
        self.note("warning", text)

    def line(self, text: str = "") -> None:
        self.note("line", text)

    def would(self, text: str) -> None:
        self.note("would", text)

    def output(self, content: bytes, is_error: bool) -> None:
        self.note("error output" if is_error else "output", content.decode(errors="replace"))

    def waiting(self, text: str) -> AbstractContextManager[None]:
        self.note("step", text)
        return nullcontext()

    def progress(self) -> AbstractContextManager[Callable[[str], None]]:
        return nullcontext(lambda _: None)

    def status(self, _: str) -> bool:
        return False

    def confirm(self, _: str, unanswered: bool) -> bool:
        return unanswered

    def counting(self, _: str, __: int) -> AbstractContextManager[Counted | None]:
        return nullcontext(None)

    def note(self, kind: Kind, text: str) -> None:
        """All of the above comes here; for what keeps it, or sends it on."""


class Recording(Silent):
    """Keeps what is reported, in the order in which it came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: list[tuple[Kind, str]] = []

    def note(self, kind: Kind, text: str) -> None:
        with self._lock:
            self._noted.append((kind, text))

    def noted(self, *kinds: Kind) -> list[str]:
        """The texts of these kinds; of all kinds where none is named."""
        with self._lock:
            return [text for kind, text in self._noted if not kinds or kind in kinds]


SILENT = Silent()
