"""make compute-add, computes: where models are trained, by name. make attach, cancel, logs: runs that are there."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.compute_file import FILE, KINDS
from trainyard.host.operations.asked_runs import asked_run
from trainyard.host.operations.on_compute import attaching
from trainyard.host.operations.on_compute.conditions import add, conditions
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.tables import table
from trainyard.host.verbs import asking
from trainyard.settings.compute import NewComputeSettings, RegistrySettings
from trainyard.settings.scaffold import ScaffoldSettings

# What a kind needs, and what is asked for it on a terminal.
_NEEDS = {
    "ssh": {"host": "The machine, as ssh knows it"},
    "kubernetes": {
        "namespace": "The namespace (empty: that of the context)",
        "registry": "The registry, as this machine and the nodes call it (host:port/path)",
    },
}  # fmt: skip
_OPTIONAL = {"namespace"}


def compute_add(session: Session, _: Path) -> None:
    """What is not given is asked for, where somebody is there.

    Raises:
        TrainyardError: a value is missing or wrong, or the compute does not answer; nothing is written then.
    """
    overrides = session.repository.overrides
    name = asking.given("NAME", ScaffoldSettings.read(overrides).name, "Its name, as lab", "", str)
    values = {**vars(NewComputeSettings.read(overrides)), **vars(RegistrySettings.read(overrides))}
    kind = asking.given("KIND", values["kind"], f"Its kind ({', '.join(KINDS)})", "", _kind)
    for key, question in _NEEDS.get(kind, {}).items() if asking.asks() else ():
        values[key] = asking.given(key.upper(), values[key], question, "", str, optional=key in _OPTIONAL)
    add(session, name, {key: value for key, value in {**values, "kind": kind}.items() if value})
    if not session.commands.dry_run:
        session.reporter.step(f"{name} answers, and is in {FILE}: make train COMPUTE={name}")


def _kind(text: str) -> str:
    if text not in KINDS:
        raise TrainyardError(f"KIND={text}: none of {', '.join(KINDS)}", "say KIND=ssh HOST=<as ssh knows it>")
    return text


def computes(session: Session, _: Path) -> None:
    """Show every compute; fail where one cannot be used."""
    found = conditions(session)
    if not found:
        console.result(f"No compute yet: make compute-add NAME=lab KIND=ssh HOST=<host> writes {FILE}")
        return
    rows = [("COMPUTE", "KIND", "WHERE", "USABLE", "RUNNING", "FREE")]
    for one in found:
        problem = one.problem or (f"lacks {', '.join(one.lacks)}" if one.lacks else "yes")
        rows.append((one.name, one.kind, one.place, problem, "" if one.problem else str(one.running), one.free))
    for line in table(rows):
        console.result(line)
    if away := [one.name for one in found if one.problem or one.lacks]:
        raise TrainyardError(f"{', '.join(away)}: see above", "", EXIT_FAILED)


def attach(session: Session, folder: Path) -> None:
    """Follow the run ID, which was left on its compute, until it is home."""
    attaching.attach(session, asked_run(session, folder))


def cancel(session: Session, folder: Path) -> None:
    """End the run ID on its compute."""
    run = attaching.cancel(session, asked_run(session, folder))
    session.reporter.step(f"{run.id} is {run.status}, and nothing of it is left on {run.compute}")


def logs_of_run(session: Session, folder: Path) -> None:
    """What the run ID has printed."""
    attaching.show_log(session, asked_run(session, folder), session.reporter.output, follow=session.settings.follow)
