"""make prune: removes dependencies that no image is built on any more, what killed builds have left, fetched data over
its limit, and what is left on computes."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.operations.on_compute.pruning import Leftover, leftovers, remove
from trainyard.host.operations.prune import no_builds, shown
from trainyard.host.operations.reproducing.work_trees import remove_leftovers
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def prune(session: Session, _: Path) -> None:
    """On the engine of ENGINE, or on every one that answers; says what each had that nothing else has."""
    freed = count = 0
    remove_leftovers(session)
    engines = [session.engine] if session.settings.engine else session.engines()
    with no_builds(session):
        for engine in engines:
            if not session.commands.dry_run:
                engine.builder.remove_leftovers()
            for name, size in engine.images.unused().items():
                if session.commands.dry_run:
                    console.result(f"remove {name} ({engine.name}, {shown(size)})")
                elif engine.images.remove_unused(name):
                    session.reporter.step(f"Removed {name} ({engine.name}, {shown(size)})")
                else:  # somebody has begun to use it
                    continue
                freed, count = freed + size, count + 1
    # What fetches data takes a quarter of a second to import.
    from trainyard.host.operations.training_data import cache_of

    if not session.commands.dry_run and (data := cache_of(session).trim()):
        session.reporter.step(f"Removed {shown(data)} of fetched data")
    there = leftovers(session)
    for one in there:
        _remove_there(session, one)
    done = "To free" if session.commands.dry_run else "Freed"
    nothing = "No dependencies to remove" if there else "Nothing to remove"
    session.reporter.step(f"{done}: {shown(freed)}, {count} sets of dependencies" if count else nothing)


def _remove_there(session: Session, one: Leftover) -> None:
    """From a compute; one that does not answer any more keeps nothing from the others."""
    where = f"on {one.compute.name} ({one.why})"
    if session.commands.dry_run:
        console.result(f"remove {one.what} {where}")
        return
    try:
        removed = remove(session, one)
    except TrainyardError as error:
        session.reporter.warn(f"{one.what} {where} was not removed: {error}")
    else:
        if removed:
            session.reporter.step(f"Removed {removed} {where}")
