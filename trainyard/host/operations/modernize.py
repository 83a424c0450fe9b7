"""Old pins to versions that the Python of the images has wheels of; then the locks, and what the code has to change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ROLES, ModelDir
from trainyard.host.operations.removed_apis.finding import Finding
from trainyard.host.operations.removed_apis.in_model import PACKAGES, removed_in_model
from trainyard.host.operations.removed_apis.table import PYTHON
from trainyard.host.operations.session import Session
from trainyard.host.requirements.compiling import Compiler
from trainyard.host.requirements.edited_files import edited_files, reader_of
from trainyard.host.requirements.errors import Clash
from trainyard.host.requirements.install_target import Target
from trainyard.host.requirements.lock_files import read_entries
from trainyard.host.requirements.lock_names import find_lock, fix_of
from trainyard.host.requirements.named_paths import named_paths
from trainyard.host.requirements.old_pins import Move, find_moves
from trainyard.host.requirements.requirement_files import file_requirement
from trainyard.host.requirements.resolver import lock_path
from trainyard.host.support.text_diff import text_diff
from trainyard.host.support.write_together import write_together

if TYPE_CHECKING:
    from packaging.version import Version


@dataclass(frozen=True)
class Plan:
    """Lines to move, and the new content of the files that they are in."""

    moves: tuple[Move, ...] = ()
    contents: Mapping[Path, bytes] = field(default_factory=dict)

    def diff(self, root: Path) -> Iterator[str]:
        """The lines of a unified diff, with paths below ``root``."""
        now, then = reader_of({}), reader_of(self.contents)
        for path in self.contents:
            name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
            yield from text_diff(now(path), then(path), f"a/{name}", f"b/{name}")


def plan_moves(session: Session, model: ModelDir) -> Plan:
    """Which pins have to move, and what their files are then. Nothing is written.

    Raises:
        TrainyardError: requirements that cannot be read; a pin in a file that is not the project's; the versions are
            those of another tool's lock.
    """
    for role in ROLES:
        if lock := find_lock(model.path, role):
            raise TrainyardError(
                f"{lock}: the versions of this model are those of another tool", f"change them there: {fix_of(lock)}"
            )
    inputs = [file_requirement(model, role) for role in ROLES]
    with session.reporter.waiting(f"Looking for the wheels of {session.short(model.path)} ..."):
        moves = find_moves(inputs, _asking(session), session.settings)
    return Plan(tuple(moves), edited_files(moves, model.project))


def _asking(session: Session) -> Compiler:
    """Also in a dry run it asks which Python the images have, and the index: neither changes anything."""
    return replace(session, commands=replace(session.commands, dry_run=False)).resolver.compiler


def apply(session: Session, model: ModelDir, plan: Plan) -> list[Path]:
    """Resolve with the new versions, then write them and the locks: all files, or none. Locks that are of today's
    requirements stay. The files that were written, or in a dry run would be.

    Raises:
        TrainyardError: the new versions do not resolve together.
    """
    resolver = session.resolver
    if not plan.moves and resolver.is_locked(model):
        return []
    try:
        locks = resolver.new_locks(model, reader_of(plan.contents))
    except Clash as error:
        raise _together(model, plan.moves, error) from None
    contents = {**plan.contents, **{path.resolve(): text.encode() for path, text in locks.items()}}
    if not session.commands.dry_run:
        write_together(contents)
    return [*contents]


def _together(model: ModelDir, moves: Iterable[Move], error: TrainyardError) -> TrainyardError:
    """``error``, with the lines that it is about, moved or not; each package once for one version."""
    moved = {move.line.text: f", moved to {move.version}" for move in moves}
    inputs = [file_requirement(model, role) for role in ROLES]
    lines = [line for item in inputs for line in (*item.lines, *item.limits)]
    named = {
        (line.package, moved.get(line.text, line.text)): f"{line.where}{moved.get(line.text, '')}"
        for line in reversed(lines)
        if re.search(rf"(?<![\w.-]){re.escape(line.package)}(?![\w-])", error.message)
    }
    if not named:
        return error
    reason = (error.message.partition("cause: ")[2] or error.message).partition(" hint: ")[0]
    what = "cannot be had together" if len(named) > 1 else "cannot be had"
    return TrainyardError(
        f"{'; '.join(reversed(named.values()))}: {what}, and no file was changed: {reason}",
        "write other versions in these lines",
    )


def other_readers(session: Session, model: ModelDir, plan: Plan) -> list[tuple[Path, str]]:
    """The edited files that another model reads, too, and the name of that model."""
    paths = [path for path in session.repository.every_model_path() if path != model.path]
    return [
        (file, f"{path.parent.name}/{path.name}")
        for path in paths
        for file in sorted(named_paths(path) & plan.contents.keys())
    ]


def removed(session: Session, model: ModelDir, plan: Plan) -> list[Finding]:
    """What the model's code uses that the versions of its locks do not have any more. In a dry run: those versions that
    its requirements will pin.

    Raises:
        TrainyardError: the sources, or the locks, cannot be read.
    """
    from packaging.version import Version

    target = _asking(session).target()
    there = all(lock_path(model, role).is_file() for role in ROLES)
    known = there and not (session.commands.dry_run and plan.moves)
    versions = {**(_locked(model, target) if known else _pinned(model, plan)), PYTHON: Version(target.python)}
    return removed_in_model(model, versions, session.settings, session.reporter)


def _locked(model: ModelDir, target: Target) -> dict[str, Version]:
    """The versions that the images of the model get."""
    from packaging.markers import Marker
    from packaging.version import Version

    here = {"python_version": target.python, "python_full_version": f"{target.python}.0"}
    found = {}
    for role in ROLES:
        path = lock_path(model, role)
        for entry in read_entries(read_text(path), str(path)):
            held = not entry.marker or Marker(entry.marker).evaluate(here)
            if entry.name in PACKAGES and held and entry.pin.startswith("=="):
                found[entry.name] = Version(entry.pin.removeprefix("=="))
    return found


def _pinned(model: ModelDir, plan: Plan) -> dict[str, Version]:
    """The versions that the requirements pin once they are edited."""
    from packaging.requirements import Requirement
    from packaging.version import Version

    read = reader_of(plan.contents)
    lines = [line for role in ROLES for line in file_requirement(model, role, read).lines if line.package in PACKAGES]
    return {
        line.package: Version(one.version)
        for line in lines
        for one in Requirement(line.text).specifier
        if one.operator in ("==", "<=") and not one.version.endswith(".*")
    }
