"""What a tracker does not take of a run: each part has its own error, and the rest of the run is uploaded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.tracking.mlflow_client import Connection, TrackingError

LONGEST_SHOWN = 60  # characters of a name


class Refusals:
    """Collects why parts of one run could not be uploaded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: dict[str, str] = {}

    @contextlib.contextmanager
    def noting(self, part: str) -> Iterator[None]:
        """Note what goes wrong with ``part`` while the block runs.

        Raises:
            TrackingError: the tracker does not answer anybody, so there is no use in going on.
        """
        try:
            with self._connection.speaking():
                yield
        except TrackingError as error:
            if error.gone:
                raise
            self._found[part] = error.message
        except Exception as error:  # noqa: BLE001 -- a file that is gone or locked, a value that a library cannot take
            self._found[part] = one_line(error)

    def __contains__(self, part: str) -> bool:
        return part in self._found

    def check(self, run: Run) -> None:
        """Raises:
        TrainyardError: something was refused; the message names it."""
        if self._found:
            parts = "; ".join(f"{shown(part)} ({reason})" for part, reason in self._found.items())
            hint = "the rest of it is; fix or remove what is named, then make track-sync"
            raise TrainyardError(f"{run.id}: not uploaded: {parts}", hint, EXIT_FAILED)


def shown(name: str) -> str:
    """A name of anybody's, as it may be printed."""
    return name if name.isprintable() and 0 < len(name) <= LONGEST_SHOWN else ascii(name)[:LONGEST_SHOWN]


def one_line(error: BaseException) -> str:
    """An exception of anybody's as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
