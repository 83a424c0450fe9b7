"""Hashes that a requirements file gives: only files that have one of them may be installed."""

from __future__ import annotations

from dataclasses import replace

from trainyard.host.requirements.lock_files import Entry, as_text, read_entries
from trainyard.host.requirements.requirement_files import Requirement, requirement_lines
from trainyard.host.requirements.requirement_text import Line


def with_given_hashes(lock: str, requirement: Requirement) -> str:
    """The entries of a lock, each with no other hashes than the requirement gives for it, where it gives some.

    Raises:
        TrainyardError: the package index has no file with one of them.
    """
    if requirement.locked or not any(line.hashes for line in requirement.lines):
        return lock
    hashed = [line for line in requirement_lines(requirement) if line.hashes]
    beside = {package.hash for package in requirement.packages}
    return as_text(_limited(entry, hashed, beside) for entry in read_entries(lock, str(requirement.path)))


def _limited(entry: Entry, lines: list[Line], beside: set[str]) -> Entry:
    given = [line for line in lines if line.package == entry.name and _is_about(line, entry)]
    if not given:
        return entry
    allowed = {one for line in given for one in line.hashes}
    # The index knows no packages beside the model; algorithms that it does not use are compared while installing.
    kept = {one for one in allowed if one in beside or one in entry.hashes or not one.startswith("sha256:")}
    if not kept:
        raise given[0].error(
            f"gives hashes that no file of {entry.name}{entry.pin} in the package index has",
            "compare them with those that its maker publishes, and do not install it where they differ",
        )
    return replace(entry, hashes=tuple(sorted(kept)))


def _is_about(line: Line, entry: Entry) -> bool:
    """Whether a line admits the version of an entry: of one package several may be wanted, by their markers."""
    from packaging.requirements import Requirement as Parsed

    return not entry.pin.startswith("==") or Parsed(line.text).specifier.contains(entry.pin[2:], prereleases=True)
