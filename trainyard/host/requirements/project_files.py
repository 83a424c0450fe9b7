"""What a ``pyproject.toml`` requires: its dependencies for both roles, a group or an extra named after one for that."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.requirements.requirement_text import Line, Reader

UV_LOCKS = "run uv lock there: a uv.lock is read"


def read_toml(path: Path, fix: str, read: Reader = read_text) -> dict[str, Any]:
    """
    Raises:
        TrainyardError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(read(path))
    except tomllib.TOMLDecodeError as error:
        raise TrainyardError(f"{path}: damaged: {error}", fix) from None


def read_project(path: Path, read: Reader = read_text) -> dict[str, Any]:
    return read_toml(path, "fix it", read)


def requirements_in(project: dict[str, Any], role: str) -> list[str]:
    """The dependencies, and those of the role's extra and group."""
    table = project.get("project", {})
    optional, groups = table.get("optional-dependencies", {}), project.get("dependency-groups", {})
    return [*table.get("dependencies", []), *optional.get(role, []), *_of_group(groups, role)]


def project_requirements(path: Path, role: str, read: Reader = read_text) -> list[str]:
    """What a project without a lock requires.

    Raises:
        TrainyardError: it does not say so in [project], or only uv knows where its packages are from.
    """
    project = read_project(path, read)
    table = project.get("project", {})
    if "dependencies" in table.get("dynamic", []):
        raise TrainyardError(f"{path}: its dependencies are computed", "write them out under [project]")
    if "poetry" in project.get("tool", {}) and "dependencies" not in table:
        raise TrainyardError(
            f"{path}: its dependencies are in [tool.poetry], which is not read",
            "poetry export --format requirements.txt --output requirements.txt, or write them under [project]",
        )
    if not table and "dependency-groups" not in project:
        raise TrainyardError(f"{path}: it has no [project]", "write one, or a requirements.txt beside it")
    if {"sources", "index"} & project.get("tool", {}).get("uv", {}).keys():
        raise TrainyardError(f"{path}: [tool.uv] says where packages are from, and there is no lock", UV_LOCKS)
    found = requirements_in(project, role)
    own = Line(path, 0, str(table.get("name", "")))
    for line in (Line(path, 0, text) for text in found):
        if line.package == own.package:
            raise line.error("names the project itself", "write out what that extra requires")
        if " @ " in line.text:
            raise line.error("says where its package is", f"{UV_LOCKS}, or write a requirements.txt")
    return found


def _of_group(groups: dict[str, Any], name: str, *outer: str) -> Iterator[str]:
    """The requirements of a dependency group and of those that it includes (PEP 735)."""
    for item in groups.get(name, []):
        if isinstance(item, str):
            yield item
        elif (included := item.get("include-group", "")) not in (*outer, name):
            yield from _of_group(groups, included, *outer, name)
