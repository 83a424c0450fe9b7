"""``data_preparation/`` of a model as a stage of ``dvc.yaml``: a script that makes the dataset, before training."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainyard.contract.files import read_text
from trainyard.host.experiments.config import read_config
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.monorepo.model_dir import ModelDir

FOLDER = "data_preparation"
_RUN = {"prepare.py": "python3", "prepare.sh": "sh"}
_NO_SOURCES = ("README.md",)


def script_of(model: ModelDir) -> Path | None:
    """The script; None where there is none. A prepare.py that does nothing when it is run is a part of training."""
    for name in _RUN:
        path = model.path / FOLDER / name
        if path.is_file() and (path.suffix == ".sh" or _is_program(read_text(path))):
            return path
    return None


def _is_program(text: str) -> bool:
    """Whether a Python file has ``if __name__ == "__main__":`` at its left margin."""
    try:
        nodes = ast.parse(text).body
    except (SyntaxError, ValueError):
        return False
    tests = [ast.unparse(node.test) for node in nodes if isinstance(node, ast.If)]
    return any("__name__" in test and "__main__" in test for test in tests)


def stage_name(model: ModelDir) -> str:
    return f"prepare-{model.path.name}"


def preparation_stage(model: ModelDir, script: Path) -> dict[str, Any]:
    """How the dataset is made. It may be in git, so DVC compares it and does not keep it."""
    dataset = model.dataset_name.rstrip("/")
    return {
        "cmd": f"{_RUN[script.name]} {model.path.name}/{FOLDER}/{script.name}",
        "deps": [*read_config(model.path).training.raw_data, *_sources(model)],
        "outs": [{dataset: {"cache": False, "persist": True}}],
    }


def makes_dataset(model: ModelDir) -> bool:
    """Whether there is something for a stage to do: a script, and a dataset of the project."""
    return script_of(model) is not None and not parse_ref(model.dataset_name).store


def _sources(model: ModelDir) -> Iterator[str]:
    for path in sorted((model.path / FOLDER).rglob("*")):
        if path.is_file() and path.name not in _NO_SOURCES and "__pycache__" not in path.parts:
            yield f"{model.path.name}/{path.relative_to(model.path).as_posix()}"
