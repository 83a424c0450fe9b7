"""``dvc.yaml`` of a project, from its model directories: a stage for each model, that trains when something changed.

Every file that a training depends on is named, so that an edit of predict.py, or of a tuning's range, trains nothing.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from trainyard.contract.files import read_text
from trainyard.contract.model_files import (
    BINARY,
    COMPILED,
    Files,
    compiled_name,
    compiled_sha256,
    declared_files,
    files_of,
    more_files,
    record_name,
)
from trainyard.contract.records import read_record
from trainyard.contract.routes import came_trained
from trainyard.errors import ModelUnavailable
from trainyard.host.experiments import config, parameters, training_metrics
from trainyard.host.experiments.config import Config, read_config
from trainyard.host.experiments.dvc_preparation import makes_dataset, preparation_stage, script_of, stage_name
from trainyard.host.monorepo.dataset_ref import DATASTORES, parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.sources import SHARED, model_files
from trainyard.host.support.context import only_files
from trainyard.host.support.shared_folder import SharedFolder

FILE, LOCK = "dvc.yaml", "dvc.lock"
IGNORE = ".dvcignore"
IGNORED = ("__pycache__/", "/.venv", "/.trainyard/", "/mlruns/", "/projects/*/runs/")
HEADER = "# Made by `make dvc` from the model directories; make it again after adding a model, a file or a parameter.\n"
# Of a model directory, beside its sources.
_WIRING = (
    ".s2i/environment",
    "requirements_train.txt",
    "requirements.txt",
    "requirements_train.lock",
    "setup.sh",
    "uv.lock",
    "pylock.toml",
)
_NO_SOURCES = ("README.md", "test")
_ONNX = re.compile(r"^\s*(onnx|skl2onnx|onnxmltools)\b", re.MULTILINE | re.IGNORECASE)


def pipeline(models: list[ModelDir]) -> str:
    """The text of a project's file: the same for the same directories. Empty where nothing trains any of the models."""
    trained = sorted((one for one in models if not came_trained(one.environment)), key=lambda one: one.path)
    if not trained:
        return ""
    prepared = {
        stage_name(model): preparation_stage(model, script)
        for model in trained
        if makes_dataset(model) and (script := script_of(model))
    }
    stages = {**prepared, **{model.path.name: stage(model) for model in trained}}
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
        "outs": [{f"models/{entry}": {"persist": True}} for entry in _outs(model)],
        "metrics": [{f"{metrics}.json": {"cache": False}}],
        "plots": [{f"{metrics}.csv": {"cache": False, "x": "step"}}],
    }


def _outs(model: ModelDir) -> list[str]:
    """The model's record and files, folders as such, by their names in ``models/``.

    They are those that MODEL_FILES declares, or those that the last training wrote; a pickle where there was none yet.
    """
    name = model.model_name
    files = _recorded(model)
    entries = set(declared_files(model.environment)) or {path.partition("/")[0] for path in more_files(files, name)}
    if f"{name}{BINARY}" in files["files"] or not entries:
        entries.add(f"{name}{BINARY}")
    compiled = [f"{COMPILED}/{name}"] if is_compiled_by_training(model) else []
    return [record_name(files["files"], name), *sorted(entries), *compiled]


def _recorded(model: ModelDir) -> dict[str, Files]:
    """What the record of the last training names, as a record has it."""
    try:
        record = read_record(model.binary, links=False) or {}
    except ModelUnavailable:
        record = {}
    return {"files": files_of(record, model.model_name)}


def is_compiled_by_training(model: ModelDir) -> bool:
    """Whether its training may leave a compiled form: its requirements have what that takes."""
    path = model.path / "requirements_train.txt"
    return path.is_file() and bool(_ONNX.search(read_text(path)))


def keep_compiled(model: ModelDir) -> None:
    """Leave the compiled form where DVC keeps it as a folder, with what the record says of it.

    Raises:
        OSError: no space, no permission.
    """
    if not is_compiled_by_training(model) or not (model.project / FILE).is_file():
        return
    models, kept = SharedFolder(model.binary.parent), f"{COMPILED}/{model.model_name}"
    record = read_record(model.binary, links=False) or {}
    models.make_folder(kept)
    models.write(f"{kept}/compiled.json", json.dumps(record.get("compiled"), indent=2, sort_keys=True) + "\n")
    compiled = compiled_name(model.model_name, compiled_sha256(record))
    if models.is_file(compiled):
        with models.open(compiled) as content:
            models.put(f"{kept}/{compiled}", content)
    for name in models.names(kept):
        if name not in (compiled, "compiled.json"):
            models.remove(f"{kept}/{name}")


def _dependencies(model: ModelDir) -> Iterator[str]:
    """Paths as seen from the project; the shared code as folders."""
    if parse_ref(model.dataset_name).store or read_config(model.path).training.data:  # no file of the project
        # DVC cannot see into a store, but that another dataset is named, or the store lies elsewhere.
        yield from (path for path in (f"../../{DATASTORES}", f"{model.path.name}/Makefile") if _is_file(model, path))
    else:
        yield model.dataset_name.rstrip("/")  # of a folder
    yield from (f"../../{name}" for name in SHARED if (model.root / name).is_dir())
    if (model.project / "common_utils").is_dir():
        yield "common_utils"
    own = [*(name for name in _WIRING if (model.path / name).is_file()), *_sources(model)]
    yield from (f"{model.path.name}/{name}" for name in sorted(own))


def _is_file(model: ModelDir, path: str) -> bool:
    return (model.project / path).is_file()


def _sources(model: ModelDir) -> list[str]:
    """The files that the train image gets of the model, but for its predict modules, unless another imports one."""
    found = {
        str(file.path.relative_to(f"{model.project.name}/{model.path.name}")): file
        for file in only_files(model_files(model))
    }
    found = {name: file for name, file in found.items() if name.partition("/")[0] not in _NO_SOURCES}
    if makes_dataset(model) and (script := script_of(model)):  # what it makes is watched in its place
        found.pop(str(script.relative_to(model.path)), None)
    package = f"{model.project.name}.{model.path.name}."
    predicting = {route.module for route in model.routes if route.module.startswith(package)}
    files = {f"{module.removeprefix(package).replace('.', '/')}.py": module for module in predicting}
    imported = {
        name for path, file in found.items() if path.endswith(".py") and path not in files
        for name in _imports(file.read())
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
