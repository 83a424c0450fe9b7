"""What a model requires: the lines of its requirements files, or what a lock of another tool is the lock of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.files import read_text
from trainyard.model_dir import ModelDir
from trainyard.requirements.lock_names import find_lock


@dataclass(frozen=True)
class Requirement:
    """Requirements, under the name that messages give them. ``locked``: versions with hashes, which must not move."""

    path: Path
    text: str
    locked: bool = False


@dataclass(frozen=True)
class Line:
    """One requirement of one file; ``number`` is 0 where the file is not one of lines."""

    path: Path
    number: int
    text: str
    package: str

    @property
    def where(self) -> str:
        return f"{self.path}:{self.number} ({self.text})" if self.number else f"{self.path} ({self.text})"


def read_requirement(path: Path) -> Requirement:
    """A requirements file."""
    return Requirement(path, read_text(path))


def model_requirement(model: ModelDir, role: str) -> Requirement:
    """What one role of a model requires.

    Raises:
        TrainyardError: there is neither a requirements file nor a lock of another tool, or it cannot be read.
    """
    if lock := find_lock(model.path, role):
        from trainyard.requirements.foreign_locks import direct_requirements

        return Requirement(lock, "".join(f"{line}\n" for line in direct_requirements(lock, role)), locked=True)
    return read_requirement(model.requirements(role))


def requirement_lines(requirement: Requirement) -> Iterator[Line]:
    """The lines of a requirements file, with their numbers.

    Raises:
        TrainyardError: a line that is neither a requirement nor an option we know of.
    """
    from packaging.requirements import InvalidRequirement  # an edit does not wait for what parses requirements
    from packaging.requirements import Requirement as Parsed
    from packaging.utils import canonicalize_name

    path = requirement.path
    for number, raw in enumerate(requirement.text.splitlines(), start=1):
        text = raw.partition(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("-"):
            raise TrainyardError(
                f"{path}:{number}: {text!r} is not a requirement", "write the requirements out; see docs/contract.md"
            )
        try:
            yield Line(path, 0 if requirement.locked else number, text, canonicalize_name(Parsed(text).name))
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise TrainyardError(
                f"{path}:{number}: {text!r} is not a requirement: {reason}", "write name>=version"
            ) from None
