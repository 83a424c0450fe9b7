"""A pin that has no wheel for the Python of the images: named with the nearest version that has one, before a lock is
written that could not be installed.

Such a release was made for other Pythons; as a rule its sources do not compile for a newer one. What was never a wheel
is built when it is installed, and so is everything where setup.sh or BASE_IMAGE may bring a compiler.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from trainyard.errors import TrainyardError
from trainyard.host.requirements.install_target import OLDEST_PYTHON, Target
from trainyard.host.requirements.lock_files import read_entries
from trainyard.host.requirements.requirement_files import Requirement
from trainyard.host.requirements.requirement_text import Line
from trainyard.settings.host import BuildSettings

# What uv says where there are sources, where there are none, and where they were tried.
NO_WHEEL = re.compile(
    r"\b([A-Za-z0-9][\w.-]*)==(\S+?) has no (?:usable wheels|wheels with a matching)"
    r"|Failed to build `?([\w.-]+)==([^\s`]+)"
)
OLDER_PYTHONS = ("3.10", "3.8", "3.6")
ONE_PYTHON_BASE = "python:{}-slim-bookworm"


class Asked(Protocol):
    """Who knows which wheels there are."""

    def target(self) -> Target:
        """What the images install for."""

    def complaint(self, pins: Sequence[str], target: Target, *options: str) -> str:
        """What uv says against having ``pins`` as wheels; empty where there is nothing."""

    def newest(self, requirement: str, target: Target, *options: str) -> str:
        """The version that satisfies a requirement and has a wheel; empty where there is none."""


def may_compile(inputs: Sequence[Requirement], settings: BuildSettings) -> bool:
    """Whether somebody may have seen to a compiler."""
    scripts = (item.path.with_name("setup.sh") for item in inputs)
    return bool(settings.base_image or settings.runtime_image) or any(script.is_file() for script in scripts)


def check_wheels(lock: str, inputs: Sequence[Requirement], asked: Asked) -> None:
    """See that the packages of a lock can be installed by the images.

    Raises:
        TrainyardError: one has wheels for other Pythons alone.
    """
    own = {package.name for item in inputs for package in item.packages}
    entries = [replace(entry, hashes=()) for entry in read_entries(lock, "the lock") if entry.name not in own]
    pins = [str(entry).strip() for entry in entries if entry.pin.startswith("==")]
    while missing := NO_WHEEL.search(asked.complaint(pins, asked.target())):
        if error := without_wheel(missing[0], inputs, asked, resolved=True):
            raise error
        pins = [pin for pin in pins if pin.partition("==")[0] != missing[1]]


def without_wheel(
    output: str, inputs: Sequence[Requirement], asked: Asked, *, resolved: bool = False
) -> TrainyardError | None:
    """The error for the version that uv names; None where it names none, or one that is a matter of building it.

    Unless it was ``resolved``, a line has to ask for that version: else uv has only tried it on its way to another
    reason."""
    if not (found := NO_WHEEL.search(output)):
        return None
    name, version = found[1] or found[3], found[2] or found[4]
    pin = f"{name}=={version}"
    if not any(asked.newest(pin, Target(python), "--universal") for python in OLDER_PYTHONS):
        return None
    target = asked.target()
    nearest = asked.newest(f"{name}>{version}", target, "--resolution", "lowest-direct")
    nearest = nearest or asked.newest(f"{name}<{version}", target)
    if not nearest:
        return None
    line = next((line for item in inputs for line in item.lines if line.package == name), None)
    if not resolved and (line is None or _admits(line, nearest)):
        return None
    place = line.where if line else str(inputs[0].path)
    fix = f"write {name}=={nearest}, the nearest version that has one{' (make modernize does it)' if line else ''}"
    if target.platform and target.python != OLDEST_PYTHON and asked.newest(pin, replace(target, python=OLDEST_PYTHON)):
        fix += f", or set BASE_IMAGE={ONE_PYTHON_BASE.format(OLDEST_PYTHON)}"
    return TrainyardError(f"{place}: {pin} has no wheel for Python {target.python}", fix)


def _admits(line: Line, version: str) -> bool:
    from packaging.requirements import Requirement as Parsed  # an edit does not wait for what parses requirements

    return Parsed(line.text).specifier.contains(version, prereleases=True)
