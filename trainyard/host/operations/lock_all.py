"""The locks of many models, some at a time: what takes long is an index that answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import read_model_dir
from trainyard.host.operations.session import Session
from trainyard.host.requirements.conflicts import check_requirements
from trainyard.host.support.reporter import Kind, Reporter, Silent

AT_ONCE = 4


@dataclass(frozen=True)
class Outcome:
    """Of one model: the locks that were written, or in a dry run would be (none: they are of today's requirements), or
    why there are none."""

    path: Path
    written: tuple[Path, ...] = ()
    error: TrainyardError | OSError | None = None


def lock_each(session: Session, paths: Sequence[Path]) -> Iterator[Outcome]:
    """Lock the model directories that need it; the outcome of each as it comes. One that fails stops no other."""
    stale = []
    for path in paths:
        known = _known(session, path)
        if known:
            yield known
        else:
            stale.append(path)
    if not stale:
        return
    lines = replace(session, commands=replace(session.commands, reporter=_Lines(session.reporter)))
    lines.engine  # noqa: B018 -- found once, and not by each thread
    with session.reporter.counting("Locks", len(stale)) as counted, ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(_lock, lines, path) for path in stale]
        try:
            for number, done in enumerate(as_completed(asked), start=1):
                outcome = done.result()
                if counted:
                    counted(number, outcome.path.name)
                yield outcome
        finally:  # Ctrl-C: those that have not begun do not
            pool.shutdown(wait=False, cancel_futures=True)


def _known(session: Session, path: Path) -> Outcome | None:
    """The outcome of a model that has its locks, or that cannot be read."""
    try:
        model = read_model_dir(path, session.repository.root)
        return Outcome(path) if session.resolver.is_locked(model) else None
    except (TrainyardError, OSError) as error:
        return Outcome(path, error=error)


def _lock(session: Session, path: Path) -> Outcome:
    try:
        model = read_model_dir(path, session.repository.root)
        check_requirements(model)
        return Outcome(path, tuple(session.resolver.write_locks(model)))
    except (TrainyardError, OSError) as error:
        return Outcome(path, error=error)


class _Lines(Silent):
    """A reporter for threads: lines, and no spinner of each."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def note(self, kind: Kind, text: str) -> None:
        say = {"step": self._reporter.step, "warning": self._reporter.warn, "would": self._reporter.would}
        say.get(kind, self._reporter.line)(text)
