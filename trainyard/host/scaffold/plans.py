"""What a verb is about to do to a model and all that belongs to it: shown first, then done, one step after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.support.reporter import Reporter


@dataclass(frozen=True)
class Step:
    """One thing that belongs to a model. ``do`` may be called again after it was interrupted.

    ``what`` is empty where nobody has to see it. ``needed``: where it fails, those after it are not done. ``final``: it
    is done only where none before it failed.
    """

    what: str
    name: str
    do: Callable[[], None]
    size: int | None = None
    needed: bool = False
    final: bool = False


@dataclass
class Plan:
    """``notes`` say what stays, and what only a person can do; ``diff`` is what changes in files; ``troubles`` are
    what could not even be looked at."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    diff: str = ""
    troubles: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """What, its name, its size: as they are shown."""
        return [
            (step.what, step.name, "" if step.size is None else as_size(step.size)) for step in self.steps if step.what
        ]


def as_size(size: int) -> str:
    """Bytes, as people read them."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB" if size >= 1000 else f"{size} B"


def carry_out(plan: Plan, reporter: Reporter, again: str) -> None:
    """Do all of it. What fails is a warning, unless what follows needs it.

    Args:
        plan: what to do.
        reporter: is told of each step.
        again: the command that goes on where this one ends early.

    Raises:
        TrainyardError: something failed; all else was done, or is done by the same command.
    """
    failed = list(plan.troubles)
    for step in plan.steps:
        if step.final and len(failed) > len(plan.troubles):
            raise TrainyardError(f"{failed[-1]}; so {step.name} stays", f"fix that, then again: {again}", EXIT_FAILED)
        try:
            step.do()
        except (TrainyardError, OSError) as error:
            failed.append(f"{step.what} {step.name}: {error}")
            if step.needed:
                raise TrainyardError(failed[-1], f"fix that, then go on: {again}", EXIT_FAILED) from None
            reporter.warn(failed[-1])
    if failed:
        raise TrainyardError(f"{len(failed)} thing(s) were not done: {failed[0]}", "see above", EXIT_FAILED)
