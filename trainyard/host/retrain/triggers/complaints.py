"""Warnings that are given once, and not at every look."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from trainyard.errors import TrainyardError
from trainyard.host.support.reporter import Reporter


class Complaints:
    """Warns when something begins to fail, or fails for another reason; then is silent until it was well again."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def warn(self, what: str, text: str) -> None:
        with self._lock:
            is_new = self._known.get(what) != text
            self._known[what] = text
        if is_new:
            self._reporter.warn(text)

    def well(self, what: str) -> None:
        with self._lock:
            self._known.pop(what, None)

    @contextlib.contextmanager
    def caught(self, what: str) -> Iterator[None]:
        """Warns of whatever the block raises: what it is about fails alone, the rest goes on."""
        try:
            yield
        except TrainyardError as error:
            self.warn(what, f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 -- a database that is away, a driver's own error
            line = " ".join(str(error).split())[:300]
            self.warn(what, f"{what}: {type(error).__name__}{f': {line}' if line else ''}")
        else:
            self.well(what)
