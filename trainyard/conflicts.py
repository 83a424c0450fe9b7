"""Explains why the requirements of several models cannot be resolved together: which two lines clash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from trainyard.dependencies import Requirement, Resolver, read_requirement
from trainyard.errors import TrainyardError
from trainyard.files import read_text
from trainyard.model_dir import ROLES, ModelDir


@dataclass(frozen=True)
class Line:
    """One requirement of one file."""

    path: Path
    number: int
    text: str
    package: str

    @property
    def where(self) -> str:
        return f"{self.path}:{self.number} ({self.text})"


def requirement_lines(path: Path) -> Iterator[Line]:
    """The requirements of a file, with their line numbers.

    Raises:
        TrainyardError: a line that is neither a requirement nor an option we know of.
    """
    from packaging.requirements import InvalidRequirement  # takes longer to import than a build has to wait
    from packaging.requirements import Requirement as Parsed
    from packaging.utils import canonicalize_name

    for number, raw in enumerate(read_text(path).splitlines(), start=1):
        text = raw.partition(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("-"):
            raise TrainyardError(
                f"{path}:{number}: {text!r} is not a requirement", "write the requirements out; see docs/contract.md"
            )
        try:
            yield Line(path, number, text, canonicalize_name(Parsed(text).name))
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise TrainyardError(
                f"{path}:{number}: {text!r} is not a requirement: {reason}", "write name>=version"
            ) from None


def check_requirements(model: ModelDir) -> None:
    """Raise for the first line that cannot be a requirement, before the package index is asked for anything."""
    for role in ROLES:
        for _ in requirement_lines(model.requirements(role)):
            pass


def explain_conflict(members: tuple[ModelDir, ...], resolver: Resolver, why: str) -> TrainyardError:
    """The error that names the two lines, or else the two files, that cannot be had together."""
    files = [list(requirement_lines(model.requirements("predict"))) for model in members]
    for one, other in combinations(files, 2):
        for line in one:
            for clashing in (same for same in other if same.package == line.package and same.text != line.text):
                if not _resolvable([line, clashing], resolver):
                    return TrainyardError(
                        f"{line.where} and {clashing.where} cannot be installed together",
                        "agree on one version, or drop one of the models from MODEL_DIRS",
                    )
    for one_model, other_model in combinations(members, 2):
        pair = [read_requirement(model.requirements("predict")) for model in (one_model, other_model)]
        try:
            resolver.compile((*pair, resolver.runtime))
        except TrainyardError as error:
            return error
    return TrainyardError(why)


def _resolvable(lines: list[Line], resolver: Resolver) -> bool:
    inputs = tuple(Requirement(line.path, line.text + "\n") for line in lines)
    try:
        resolver.compile(inputs, "--no-deps")
    except TrainyardError:
        return False
    return True
