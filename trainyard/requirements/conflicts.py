"""Explains why the requirements of several models cannot be resolved together: which two lines clash."""

from __future__ import annotations

from itertools import combinations

from trainyard.errors import TrainyardError
from trainyard.model_dir import ROLES, ModelDir
from trainyard.requirements.requirement_files import Line, Requirement, model_requirement, requirement_lines
from trainyard.requirements.resolver import Clash, Resolver

GROUPS = "or say GROUPS=auto: clashing models then get an environment each, in one image"


def check_requirements(model: ModelDir) -> None:
    """Raise for the first line that cannot be a requirement, before the package index is asked for anything."""
    for role in ROLES:
        for _ in requirement_lines(model_requirement(model, role)):
            pass


def explain_conflict(members: tuple[ModelDir, ...], resolver: Resolver, why: str) -> TrainyardError:
    """The error that names the two lines, or else the two files, that cannot be had together."""
    files = [list(requirement_lines(model_requirement(model, "predict"))) for model in members]
    for one, other in combinations(files, 2):
        for line in one:
            for clashing in (same for same in other if same.package == line.package and same.text != line.text):
                if not _resolvable([line, clashing], resolver):
                    return TrainyardError(
                        f"{line.where} and {clashing.where} cannot be installed together",
                        f"agree on one version, drop one of the models from MODEL_DIRS, {GROUPS}",
                    )
    for one_model, other_model in combinations(members, 2):
        pair = [model_requirement(model, "predict") for model in (one_model, other_model)]
        try:
            resolver.compile((*pair, resolver.runtime))
        except Clash as error:
            return TrainyardError(error.message, f"mend the requirements, {GROUPS}")
    return TrainyardError(why, f"mend the requirements, {GROUPS}")


def _resolvable(lines: list[Line], resolver: Resolver) -> bool:
    inputs = tuple(Requirement(line.path, line.text + "\n") for line in lines)
    try:
        resolver.compile(inputs, "--no-deps")
    except TrainyardError:
        return False
    return True
