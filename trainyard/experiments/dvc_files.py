"""``dvc.yaml`` of a project, from its model directories: a stage for each model, that trains when something changed.

Every file that a training depends on is named, so that an edit of predict.py, or of a tuning's range, trains nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from trainyard.context import SHARED, model_files
from trainyard.experiments import config, parameters, training_metrics
from trainyard.experiments.config import Config, read_config
from trainyard.files import read_text
from trainyard.model_dir import ModelDir

FILE = "dvc.yaml"
IGNORE = ".dvcignore"
IGNORED = ("__pycache__/", "/.venv", "/.trainyard/", "/mlruns/", "/projects/*/runs/")
HEADER = "# Made by `make dvc` from the model directories; make it again after adding a model, a file or a parameter.\n"
# Of a model directory, beside its sources.
_WIRING = (
    ".s2i/environment",
    "requirements_train.txt",
    "requirements_train.lock",
    "setup.sh",
    "uv.lock",
    "pylock.toml",
)
_NO_SOURCES = ("README.md", "test")


def pipeline(models: list[ModelDir]) -> str:
    """The text of a project's file: the same for the same directories."""
    stages = {model.path.name: stage(model) for model in sorted(models, key=lambda model: model.path)}
    return HEADER + yaml.safe_dump({"stages": stages}, sort_keys=False, allow_unicode=True, width=1000)


def stage(model: ModelDir) -> dict[str, Any]:
    """How one model is trained, from what, into what.

    Its binary and record stay where they are until a training has replaced them (`persist`), as without DVC.
    """
    folder, name = model.path.name, model.model_name
    metrics = f"{training_metrics.FOLDER}/{name}"
    params = list(_params(model))
    return {
        "cmd": f"make --no-print-directory -C {folder} build-train train",
        "deps": [*_dependencies(model)],
        **({"params": params} if params else {}),
        "outs": [{f"models/{name}{suffix}": {"persist": True}} for suffix in (".json", ".pkl")],
        "metrics": [{f"{metrics}.json": {"cache": False}}],
        "plots": [{f"{metrics}.csv": {"cache": False, "x": "step"}}],
    }


def _dependencies(model: ModelDir) -> Iterator[str]:
    """Paths as seen from the project; the shared code as folders."""
    yield model.dataset_name.rstrip("/")  # of a folder
    yield from (f"../../{name}" for name in SHARED if (model.root / name).is_dir())
    if (model.project / "common_utils").is_dir():
        yield "common_utils"
    own = [*(name for name in _WIRING if (model.path / name).is_file()), *_sources(model)]
    yield from (f"{model.path.name}/{name}" for name in sorted(own))


def _sources(model: ModelDir) -> list[str]:
    """The files that the train image gets of the model, but for its predict modules, unless another imports one."""
    found = {
        str(file.path.relative_to(f"{model.project.name}/{model.path.name}")): file.content
        for file in model_files(model.path)
    }
    found = {name: content for name, content in found.items() if name.partition("/")[0] not in _NO_SOURCES}
    package = f"{model.project.name}.{model.path.name}."
    predicting = {route.module for route in model.routes if route.module.startswith(package)}
    files = {f"{module.removeprefix(package).replace('.', '/')}.py": module for module in predicting}
    imported = {
        name for path, content in found.items() if path.endswith(".py") and path not in files
        for name in _imports(content)
    }  # fmt: skip
    return [name for name in found if name not in files or files[name].rpartition(".")[2] in imported]


def _imports(content: bytes) -> Iterator[str]:
    """The last names of modules that a source may import; none of one that Python cannot read."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.rpartition(".")[2] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").rpartition(".")[2]
            yield from (alias.name for alias in node.names)


def _params(model: ModelDir) -> Iterator[str | dict[str, Any]]:
    """The values that a training gets, not the ranges that a tuning chooses them from."""
    keys = list(_keys(read_config(model.path)))
    if keys:
        yield {f"{model.path.name}/{config.FILE}": keys}
    if (model.path / parameters.TUNED).is_file():
        yield {f"{model.path.name}/{parameters.TUNED}": None}


def _keys(found: Config) -> Iterator[str]:
    """DVC takes a dot for a level: of parameters with one in their names, the section is watched."""
    if found.params:
        yield "params"
    names = found.tuning.hyperparams
    if any("." in name for name in names):
        yield "tuning.hyperparams"
    else:
        yield from (f"tuning.hyperparams.{name}.default_value" for name in names)


def ignore_text(path: Path) -> str:
    """The text of .dvcignore with our lines in it: DVC would look at every file of .venv, and at bytecode."""
    text = read_text(path) if path.is_file() else ""
    missing = [line for line in IGNORED if line not in text.splitlines()]
    return text + ("" if not text or text.endswith("\n") else "\n") + "".join(f"{line}\n" for line in missing)
