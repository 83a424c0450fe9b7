"""make reproduce: a run is trained again from what it was made of, and compared with what came of it then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.reproduction import Reproduction, shortened
from trainyard.host.operations.asked_runs import finished_run
from trainyard.host.operations.reproducing import reproduce as operation
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.tables import table

FORMATS = ("table", "json")


class _OnStderr(console.Terminal):
    """Leaves standard output to the result."""

    def output(self, content: bytes, is_error: bool) -> None:
        super().output(content, True)


def reproduce(session: Session, folder: Path) -> None:
    """Train the run ID again, else the latest that has finished, and print what is equal.

    Raises:
        TrainyardError: it cannot be trained again, or a metric is not equal.
    """
    form = session.experiments.format
    if form not in FORMATS:
        raise TrainyardError(f"FORMAT={form}: no form of make reproduce", f"choose among {', '.join(FORMATS)}")
    if form == "json":
        session = replace(session, commands=replace(session.commands, reporter=_OnStderr()))
    found = operation.reproduce(session, finished_run(session, folder))
    if found is None:
        return
    if form == "json":
        console.result(found.as_json())
    else:
        _show(found)
    if found.unequal:
        hint = "docs/experiments.md says when numbers can be equal"
        if found.changed:
            hint = f"{' and '.join(found.changed)} differ, too; {hint}"
        what = f"run {found.run.id} was trained again, and not everything is equal: {', '.join(found.unequal)}"
        raise TrainyardError(what, hint, EXIT_FAILED)
    session.reporter.step(f"Run {found.run.id} is reproduced")


def _show(found: Reproduction) -> None:
    rows = [
        (one.name, shortened(one.run), shortened(one.now), one.result, one.difference)
        for one in (*found.metrics, *found.others)
    ]
    for line in table([("", "RUN", "NOW", "", "DIFFERENCE"), *rows]):
        console.result(line)
