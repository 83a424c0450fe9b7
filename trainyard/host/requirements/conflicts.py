"""Explains why the requirements of several models cannot be resolved together: which two lines clash."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ROLES, ModelDir
from trainyard.host.requirements.errors import Clash
from trainyard.host.requirements.requirement_files import Requirement, model_requirement, requirement_lines
from trainyard.host.requirements.requirement_text import Line
from trainyard.host.requirements.resolver import Resolver

GROUPS = "or say GROUPS=auto: clashing models then get an environment each, in one image"


def check_requirements(model: ModelDir) -> None:
    """Raise for the first line that cannot be a requirement, before the package index is asked for anything."""
    for role in ROLES:
        for _ in requirement_lines(model_requirement(model, role)):
            pass


def explain_conflict(members: tuple[ModelDir, ...], resolver: Resolver, why: str) -> TrainyardError:
    """The error that names the two lines, or else the two files, that cannot be had together."""
    files = [model_requirement(model, "predict") for model in members]
    for one, other in combinations(files, 2):
        for line in requirement_lines(one):
            for clashing in (same for same in requirement_lines(other) if _differ(line, same)):
                if not _resolvable((_alone(line, one), _alone(clashing, other)), resolver):
                    return TrainyardError(
                        f"{line.where} and {clashing.where} cannot be installed together",
                        f"agree on one version, drop one of the models from MODEL_DIRS, {GROUPS}",
                    )
    for pair in combinations(files, 2):
        try:
            resolver.compiler.compile((*pair, resolver.runtime))
        except Clash as error:
            return TrainyardError(error.message, f"fix the requirements, {GROUPS}")
    return TrainyardError(why, f"fix the requirements, {GROUPS}")


def _differ(line: Line, other: Line) -> bool:
    return line.package == other.package and line.text != other.text


def _alone(line: Line, file: Requirement) -> Requirement:
    return replace(file, path=line.path, text=f"{line.text}\n", lines=(line,))


def _resolvable(pair: tuple[Requirement, Requirement], resolver: Resolver) -> bool:
    try:
        resolver.compiler.compile(pair, "--no-deps")
    except TrainyardError:
        return False
    return True
