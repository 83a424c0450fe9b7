"""Models, or images of models, one after the other: one that fails is said, and stops no other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainyard.errors import ENDED_BY_SIGNAL, TrainyardError
from trainyard.host.support.reporter import Reporter


@dataclass(frozen=True)
class Done:
    """What came of one, as it is shown; or why nothing did."""

    name: str
    shown: str = ""
    error: str = ""


def done(reporter: Reporter, name: str, work: Callable[[], str]) -> Done:
    """What ``work`` answers."""
    shown, errors = "", list[str]()
    with apart(reporter, name, errors.append):
        shown = work()
    return Done(name, shown, *errors)


@contextlib.contextmanager
def apart(reporter: Reporter, name: str, note: Callable[[str], object]) -> Iterator[None]:
    """What fails in here is a warning, and ``note`` is told why. A signal ends the whole job, which can go on later."""
    try:
        yield
    except (TrainyardError, OSError) as error:
        if isinstance(error, TrainyardError) and error.exit_code in ENDED_BY_SIGNAL:
            raise
        reporter.warn(f"{name} failed: {error}")
        note(str(error))
