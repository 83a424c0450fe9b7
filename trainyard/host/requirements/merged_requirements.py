"""What the models of an ``all/`` require together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.requirements.requirement_files import Requirement, lines_of, model_requirement


def union_of(models: Iterable[ModelDir]) -> Requirement:
    """The union of the predict requirements: each line once, under the first file that has it.

    Raises:
        TrainyardError: a model's requirements cannot be read.
    """
    named = [(model, model_requirement(model, "predict")) for model in models]
    seen: set[str] = set()
    text, lines = "", []
    for model, required in named:
        new = [line for line in lines_of(required) if line.whole not in seen]
        seen.update(line.whole for line in new)
        lines += new
        if new:
            text += "\n".join([f"# {model.name}/{required.path.name}", *(line.whole for line in new)]) + "\n"
    files = [required for _, required in named]
    packages = {package.hash: package for required in files for package in required.packages}
    indexes = dict.fromkeys(index for required in files for index in required.indexes)
    constraints = "".join(dict.fromkeys(required.constraints for required in files))
    return Requirement(
        Path("requirements.txt"), text, False, tuple(lines), constraints, tuple(indexes), tuple(packages.values())
    )
