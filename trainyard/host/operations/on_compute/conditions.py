"""The computes of compute.yaml: how each is now, and adding one."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import Condition
from trainyard.host.compute.compute_file import Computes, check_name, parse_entry, read_computes, write_compute
from trainyard.host.compute.opening import opened
from trainyard.host.experiments.yaml_files import YamlFile
from trainyard.host.operations.session import Session


def conditions(session: Session) -> list[Condition]:
    """Every compute as it is now; one that does not answer keeps nothing from the others."""
    computes = read_computes(session.repository.root)
    with ThreadPoolExecutor(max(1, len(computes.entries))) as pool:
        return list(pool.map(lambda name: _condition(session, computes, name), computes.entries))


def _condition(session: Session, computes: Computes, name: str) -> Condition:
    return opened(computes, name, session.computing, session.reporter).compute.condition()


def add(session: Session, name: str, given: Mapping[str, Any]) -> None:
    """Write a compute to compute.yaml, once it has answered. ``given`` is what the file would say of it.

    Raises:
        TrainyardError: a value is wrong, it does not answer, or there is one of that name.
    """
    known = read_computes(session.repository.root)
    if name not in known.entries:
        try:
            check_name(name)
        except ValueError as error:
            raise TrainyardError(f"NAME={name}: {error}", "take another name") from None
        entry = parse_entry(YamlFile(known.path, {name: given}, {}), name, given)
        found = opened(Computes(known.path, {name: entry}, {}), name, session.computing, session.reporter)
        condition = found.compute.condition()
        if condition.problem:
            raise TrainyardError(f"{name}: {condition.problem}", "nothing is written", EXIT_FAILED)
        if condition.lacks:
            session.reporter.warn(f"{name}: it lacks {', '.join(condition.lacks)}: docs/compute.md")
        if session.commands.dry_run:
            session.reporter.would(f"write {name} to {session.short(known.path)}")
            return
    else:
        entry = known.entries[name]
    write_compute(session.repository.root, name, entry)
