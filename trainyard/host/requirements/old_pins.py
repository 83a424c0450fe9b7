"""Pins that have no wheel for the Python of the images, and the nearest version of each that has one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainyard.host.requirements.compiling import named_by
from trainyard.host.requirements.index_errors import explain_index
from trainyard.host.requirements.install_target import Target
from trainyard.host.requirements.lock_files import INDEX
from trainyard.host.requirements.requirement_files import Requirement, requirement_lines
from trainyard.host.requirements.requirement_text import Line
from trainyard.host.requirements.wheels import OLDER_PYTHONS, Asked
from trainyard.settings.host import NetworkSettings

if TYPE_CHECKING:
    from packaging.requirements import Requirement as Parsed
    from packaging.specifiers import Specifier

QUESTIONS_AT_ONCE = 4
PART = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*([^\s,;#()\\]+)")
LIMITS = {"==", "===", "~=", "<", "<="}  # what keeps newer versions out


@dataclass(frozen=True)
class Move:
    """A line that asks for versions without a wheel for that ``python``, and the nearest ``version`` that has one."""

    line: Line
    version: str
    python: str

    @property
    def pin(self) -> str:
        return f"{self.line.package}=={self.version}"

    @property
    def reason(self) -> str:
        text = f"{self.line.where} has no wheel for Python {self.python}: "
        text += f"moved to {self.version}, the nearest that has one"
        if count := len(self.line.hashes):
            text += f"; its {count} --hash, of other files, taken out: the lock has those of {self.version}"
        return text


def find_moves(inputs: Sequence[Requirement], asked: Asked, settings: NetworkSettings) -> list[Move]:
    """What has to move, in the order of files and lines; each line once.

    What never had a wheel is left alone: it is built. So is what no index has.

    Raises:
        TrainyardError: a line is not a requirement, or the index does not answer.
    """
    target, indexes = asked.target(), _index_options(inputs)
    own = {package.name for item in inputs for package in item.packages}
    lines = dict.fromkeys(line for item in inputs for line in (*requirement_lines(item), *item.limits))
    pinned = [line for line in lines if line.package not in own and _is_pinned(line)]
    texts = list(dict.fromkeys(line.text for line in pinned))
    complaint = asked.complaint(texts, target, *indexes)
    if trouble := explain_index(complaint, settings):
        raise trouble
    if not complaint:
        return []
    with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
        versions = pool.map(lambda text: _nearest(text, target, asked, indexes), texts)
        found = dict(zip(texts, versions, strict=True))
    return [Move(line, found[line.text], target.python) for line in pinned if found[line.text]]


def moved_specifier(text: str, version: str) -> str:
    """The version specifiers of a requirement with ``version`` among what they admit: limits that keep it out
    are rewritten, as exact as they were. ``~=1.2, !=1.4`` and 1.5 give ``~=1.5, !=1.4``."""
    from packaging.specifiers import SpecifierSet

    def admits(part: str) -> bool:
        return SpecifierSet(part).contains(version, prereleases=True)

    def changed(part: re.Match[str]) -> str:
        return part[0] if part[1] not in LIMITS or admits(part[0]) else _admitting(part, version)

    moved = PART.sub(changed, text)
    return moved if admits(moved) else f"=={version}"


def _admitting(part: re.Match[str], version: str) -> str:
    operator, old = part.groups()
    space = part[0][len(operator) : len(part[0]) - len(old)]
    if old.endswith(".*"):
        width = old.count(".")
        numbers = version.split(".")[:width]
        version = ".".join([*numbers, *"0" * (width - len(numbers)), "*"])
    return f"{'<=' if operator == '<' else operator}{space}{version}"


def _is_pinned(line: Line) -> bool:
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Parsed

    try:
        return any(one.operator in LIMITS for one in Parsed(line.text).specifier)
    except InvalidRequirement:  # of a constraints file: resolving says so
        return False


def _nearest(text: str, target: Target, asked: Asked, indexes: Sequence[str]) -> str:
    """The version that a requirement is moved to; empty where it may stay, or nothing helps."""
    from packaging.requirements import Requirement as Parsed

    if not asked.complaint([text], target, *indexes):
        return ""
    required = Parsed(text)
    plain = f"{required.name}{required.specifier}"
    if not any(asked.newest(plain, Target(python), "--universal", *indexes) for python in OLDER_PYTHONS):
        return ""
    return next(filter(None, _candidates(required, target, asked, indexes)), "")


def _candidates(required: Parsed, target: Target, asked: Asked, indexes: Sequence[str]) -> Iterator[str]:
    """The smallest version above, the greatest below."""
    from packaging.version import Version

    limits = [one for one in required.specifier if one.operator in LIMITS]
    oldest = min(Version(one.version.removesuffix(".*")) for one in limits)
    base = oldest.public
    options = ["--prerelease", "allow" if oldest.is_prerelease else "disallow", *indexes]
    others = [str(one) for one in required.specifier if one.operator not in LIMITS]
    above = ",".join([f"{required.name}>={base}", *(f"!={one.version}" for one in limits if _is_exact(one)), *others])
    yield asked.newest(above, target, "--resolution", "lowest-direct", *options)
    yield asked.newest(f"{required.name}<{base}", target, *options)


def _is_exact(limit: Specifier) -> bool:
    return limit.operator in ("==", "===")


def _index_options(inputs: Sequence[Requirement]) -> list[str]:
    found = [part for index in named_by(inputs) for part in (INDEX, index)]
    return [*found, "--index-strategy", "unsafe-best-match"] if found else []
