"""What a model is made with, as far as its files say it: the framework and the form in which it is saved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from trainyard.contract.files import read_text
from trainyard.contract.model_files import BESIDE_JSON, ENCODER, files_of, is_compiled
from trainyard.contract.records import read_record
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.requirements.requirement_files import model_requirement

# The first that a model requires; scikit-learn is beside most of them, for its metrics.
FRAMEWORKS: Mapping[str, str] = {
    "xgboost": "xgboost", "catboost": "catboost", "lightgbm": "lightgbm", "torch": "pytorch", "keras": "keras",
    "tensorflow": "tensorflow", "tensorflow-cpu": "tensorflow", "jax": "jax", "scikit-learn": "scikit-learn",
}  # fmt: skip
_OTHER = "python"
PICKLE = "pickle"
# By the suffixes of the files that training wrote, else by what train.py calls.
_BY_SUFFIX = {
    ".keras": "keras", ".h5": "hdf5", ".pt": "pytorch", ".pth": "pytorch", ".safetensors": "safetensors",
    ".onnx": "onnx", ".ubj": "native", ".cbm": "native", ".txt": "native", ".json": "native", ".pb": "saved-model",
    ".pkl": PICKLE,
}  # fmt: skip
_BY_CALL = {r"\bsave_model\(": "native", r"\btorch\.save\(": "pytorch", r"\bsave_native\w*\(": "native"}


KNOWN = {
    "framework": sorted({*FRAMEWORKS.values(), _OTHER}),
    "serialization": sorted({*_BY_SUFFIX.values(), *_BY_CALL.values()}),
}


def guess_framework(model: ModelDir) -> str:
    """By the requirements of training; ``python`` where they name none that we know."""
    try:
        text = model_requirement(model, "train").text
    except TrainyardError:
        text = ""
    named = {re.split(r"[\s=<>!~;\[@]", line.strip(), maxsplit=1)[0].lower() for line in text.splitlines()}
    named |= {name.removesuffix("-cpu").replace("_", "-") for name in named}
    return next((framework for package, framework in FRAMEWORKS.items() if package in named), _OTHER)


def guess_serialization(model: ModelDir) -> str:
    """By the record of the last training, else by train.py."""
    try:
        record = read_record(model.binary, links=False) or {}
    except TrainyardError:
        record = {}
    name = model.model_name
    files = [file for file in files_of(record, name) if not is_compiled(file, name)]
    suffixes = {PurePosixPath(file).suffix for file in files if not file.endswith((BESIDE_JSON, ENCODER))}
    if found := next((form for suffix, form in _BY_SUFFIX.items() if suffix in suffixes), ""):
        return found
    source = model.path / "train.py"
    text = read_text(source) if source.is_file() else ""
    return next((form for call, form in _BY_CALL.items() if re.search(call, text)), PICKLE)
