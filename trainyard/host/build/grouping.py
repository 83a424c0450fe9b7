"""Which models of an ``all/`` can share an environment, and the lock of each (GROUPS=auto)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from trainyard.contract.files import write_whole
from trainyard.contract.groups import file_of
from trainyard.errors import TrainyardError
from trainyard.host.build.merge import Merged
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.requirements.conflicts import explain_conflict
from trainyard.host.requirements.errors import Clash
from trainyard.host.requirements.lock_files import is_whole, packages_of
from trainyard.host.requirements.merged_requirements import union_of
from trainyard.host.requirements.requirement_files import Requirement, model_requirement, requirement_lines
from trainyard.host.requirements.resolver import Resolver

AUTO = "auto"
CLASHES = "clashes.txt"  # in place of a lock: there is none
SHOWN = 3  # packages of a group that are printed
T = TypeVar("T")


def grouped(members: Sequence[T], fits: Callable[[tuple[T, ...]], bool]) -> tuple[tuple[T, ...], ...]:
    """All in one group where they fit together; else each, in order, in the first group that it fits into.

    Not the fewest groups that there could be: to find those, every set of models would have to be resolved.
    """
    if fits(tuple(members)):
        return (tuple(members),)
    groups: list[tuple[T, ...]] = []
    for member in members:
        place = next((place for place, group in enumerate(groups) if fits((*group, member))), None)
        if place is None:
            groups.append((member,))
        else:
            groups[place] += (member,)
    return tuple(groups)


def check_wanted(wanted: str) -> bool:
    """Whether GROUPS asks for groups.

    Raises:
        TrainyardError: it asks for something else.
    """
    if wanted not in ("", AUTO):
        raise TrainyardError(f"GROUPS={wanted}: there is no such way to group", f"say GROUPS={AUTO}, or unset it")
    return bool(wanted)


@dataclass(frozen=True)
class MergedLocks:
    """Groups and locks of what an ``all/`` folder merges."""

    resolver: Resolver
    folder: Path
    # What the models' own locks install: each is looked for, and judged, once.
    _own: dict[Path, str] = field(default_factory=dict)

    def in_groups(self, merged: Merged) -> Merged:
        """Its models in groups, where GROUPS=auto asks for it and they do not fit together.

        Raises:
            TrainyardError: as ``locks_of``, but for requirements that clash.
        """
        if not check_wanted(self.resolver.settings.groups):
            return merged
        groups = grouped(merged.members, self._fit)
        return merged if len(groups) == 1 else merged.grouped(groups)

    def locks_of(self, merged: Merged) -> tuple[str, ...]:
        """A lock for the members of each group: theirs where it is one and the same, else with the versions of theirs
        wherever that is possible.

        Raises:
            TrainyardError: they cannot be resolved together; or the index fails.
        """
        return tuple(self._lock_of(group, number) for number, group in enumerate(merged.groups, start=1))

    def described(self, merged: Merged) -> str:
        """``Group 1: a, b; group 2: c (scikit-learn 1.3.2)``: what it requires in another version than the first."""
        known, *others = map(_versions, self.locks_of(merged))
        parts = [f"Group 1: {_names(merged.groups[0])}"]
        for number, (group, pins) in enumerate(zip(merged.groups[1:], others, strict=True), start=2):
            lines = (line for model in group for line in requirement_lines(model_requirement(model, "predict")))
            required = {line.package for line in lines}
            names = (name for name in sorted(required & pins.keys()) if pins[name] != known.get(name))
            unlike = [f"{name} {pins[name]}" for name in names]
            shown = ", ".join(unlike[:SHOWN]) + (", ..." if unlike[SHOWN:] else "")
            parts.append(f"group {number}: {_names(group)}" + (f" ({shown})" if shown else ""))
        return "; ".join(parts)

    def _lock_of(self, group: tuple[ModelDir, ...], number: int) -> str:
        if same := self._same(group):
            return same
        inputs, preferred = self._inputs(group, number)
        try:
            return self.resolver.together(inputs, preferred=preferred)[0].text
        except Clash as error:
            raise explain_conflict(group, self.resolver, str(error)) from None

    def _fit(self, group: tuple[ModelDir, ...]) -> bool:
        """Whether they have a lock. That they have none is remembered as locks are, so it is found out once."""
        if self._same(group):
            return True
        inputs, preferred = self._inputs(group, 1)
        note = self.resolver.remembered(inputs, preferred) / CLASHES
        if note.is_file() and not is_whole(note.with_name("0.lock")):
            return False
        try:
            self.resolver.together(inputs, preferred=preferred)
        except Clash as error:
            note.parent.mkdir(parents=True, exist_ok=True)
            write_whole(note, f"{error}\n")
            return False
        return True

    def _inputs(self, group: tuple[ModelDir, ...], number: int) -> tuple[tuple[Requirement, ...], str]:
        """What a group is resolved from, and the locks whose versions are preferred."""
        required = replace(union_of(group), path=self.folder / file_of(number, "txt"))
        return (required, self.resolver.runtime), "".join(map(self._own_lock, group))

    def _same(self, group: tuple[ModelDir, ...]) -> str:
        """The lock of all of them, where they have one; else empty."""
        own = set(map(self._own_lock, group))
        return own.pop() if len(own) == 1 else ""

    def _own_lock(self, model: ModelDir) -> str:
        if model.path not in self._own:
            self._own[model.path] = packages_of(self.resolver.model_lock(model, "predict").text)
        return self._own[model.path]


def _names(group: tuple[ModelDir, ...]) -> str:
    return ", ".join(model.name for model in group)


def _versions(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))
