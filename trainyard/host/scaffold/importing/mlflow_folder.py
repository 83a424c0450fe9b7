"""Model folders of MLflow: a ``MLmodel`` with flavors, and files beside it.

https://mlflow.org/docs/latest/model/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from trainyard.contract.files import parse_json
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.documents import json_of, part, texts, yaml_of
from trainyard.host.scaffold.importing.kind import Kind
from trainyard.host.scaffold.importing.names import Names, identifier
from trainyard.host.scaffold.importing.one_model import MADE, OneModel, one_model
from trainyard.host.scaffold.importing.requirements import REQUIREMENTS, lines_of, package_of, without
from trainyard.host.scaffold.importing.source_tree import TOP, SourceTree
from trainyard.host.scaffold.importing.unit import Unit, place

NAME, FILE = "MLflow model", "MLmodel"
GENERIC = {"model", "models", "artifacts", "data", "mlflow_model"}  # folder names that say nothing
PREDICT = '''\
"""Serves the MLflow model that training published. {made}"""

from trainyard.models import mlflow_models

COLUMNS = {columns}


def {function}(msg):
    return mlflow_models.predict(
        msg, "{name}", flavor="{flavor}", file={file}, columns=COLUMNS{more}
    )
'''
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
OWN = {"sklearn": "scikit-learn", "xgboost": "xgboost", "catboost": "catboost", "lightgbm": "lightgbm"}
EXAMPLES = {"long": 1, "integer": 1, "double": 1.0, "float": 1.0, "boolean": True, "string": "text"}
EXAMPLE_FILES = ("input_example.json", "serving_input_example.json")


@dataclass(frozen=True)
class Flavor:
    """How ``trainyard.models.mlflow_models`` loads it."""

    name: str
    file: str
    package: str
    made_by: str = ""


def bring(tree: SourceTree, names: Names) -> list[Unit]:
    """Every model folder of the source; one that fails stops no other."""
    folders = [path.parent for path in tree.files if path.name == FILE]
    units, failed = [], []
    for folder in sorted(folders):
        try:
            units.append(_one(tree, folder, names, alone=len(folders) == 1))
        except TrainyardError as error:
            failed.append(f"{place(folder)}: {error}")
    if not units:
        raise TrainyardError(f"FROM={tree.label}: {'; '.join(failed)}")
    units[0].failed += failed
    return units


def _one(tree: SourceTree, folder: PurePosixPath, names: Names, *, alone: bool) -> Unit:
    document = yaml_of(tree, folder / FILE)
    flavor = _flavor(tree, folder, document)
    model = one_model(tree, names, NAME, _called(tree, folder, document, alone=alone))
    files = tree.below(folder)
    target = model.project / "data" / model.folder.name
    for path in files:
        model.unit.bring(target / path.relative_to(folder), path)
    columns, dtype = _signature(document)
    more = f', made_by="{flavor.made_by}"' if flavor.made_by else ""
    more += f', dtype="{dtype}"' if dtype else ""
    text = PREDICT.format(
        made=MADE, columns=repr(tuple(columns)), function=model.function, name=model.name, flavor=flavor.name,
        file=json.dumps(flavor.file), more=more,
    )  # fmt: skip
    model.write("predict.py", text, "serves the flavor " + flavor.name)
    model.routes([model.function])
    model.trained_by("trainyard.models.imported", "published")
    _requirements(tree, folder, flavor, model, with_frames=bool(columns))
    _sample(tree, folder, model, columns)
    _remarks(document, flavor, model)
    return model.finish(f"data/{model.folder.name}")


def _called(tree: SourceTree, folder: PurePosixPath, document: dict[str, Any], *, alone: bool) -> str:
    named = [part(document, "artifact_path"), *reversed(folder.parts), tree.name if alone else ""]
    known = [one for one in named if isinstance(one, str) and one and identifier(one) not in GENERIC and "/" not in one]
    return known[0] if known else tree.name


def _flavor(tree: SourceTree, folder: PurePosixPath, document: dict[str, Any]) -> Flavor:
    flavors = document.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise TrainyardError(f"{place(folder / FILE)}: no flavors", "save the model again with MLflow")
    found = _own_flavor(flavors)
    if found and tree.has(folder / found.file) and ".." not in PurePosixPath(found.file).parts:
        return found
    if "python_function" not in flavors:
        raise TrainyardError(
            f"{place(folder / FILE)}: of the flavors {', '.join(map(str, flavors))} none is of Python",
            "save it with python_function",
        )
    return Flavor("python_function", FILE, "mlflow")


def _own_flavor(flavors: dict[str, Any]) -> Flavor | None:
    """The flavor of a library that needs no MLflow to load it."""
    for name in OWN.keys() & flavors.keys():
        facts = flavors[name] if isinstance(flavors[name], dict) else {}
        file = facts.get("pickled_model") or facts.get("data") or facts.get("model_path")
        if not isinstance(file, str):
            continue
        kind = str(facts.get("model_class") or facts.get("model_type") or "")
        form = facts.get("serialization_format", "pickle")
        if name == "sklearn" and form in ("pickle", "cloudpickle"):
            return Flavor(name, file, OWN[name])
        if name == "sklearn" and form == "skops":
            trusted = [one for one in texts(facts.get("skops_trusted_types")) if _DOTTED.fullmatch(one)]
            return Flavor(form, file, "skops", ",".join(trusted))
        if name == "lightgbm":
            return Flavor("pickle" if file.endswith(".pkl") else name, file, OWN[name])
        if name == "xgboost" and kind.startswith("xgboost."):
            return Flavor(name, file, OWN[name], kind)
        if name == "catboost" and kind.isidentifier():
            return Flavor(name, file, OWN[name], f"catboost.{kind}")
    return None


def _signature(document: dict[str, Any]) -> tuple[list[tuple[str, str]], str]:
    """Names and types of the columns, or the type of an array."""
    text = part(document, "signature", "inputs")
    try:
        inputs = parse_json(text.encode()) if isinstance(text, str) else None
    except ValueError:
        inputs = None
    rows = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
    if rows and all(isinstance(one.get("name"), str) and one.get("type") != "tensor" for one in rows):
        return [(one["name"], str(one.get("type"))) for one in rows], ""
    dtype = part(rows[0], "tensor-spec", "dtype") if rows else None
    return [], dtype if isinstance(dtype, str) and dtype.isalnum() else ""


def _requirements(
    tree: SourceTree, folder: PurePosixPath, flavor: Flavor, model: OneModel, *, with_frames: bool
) -> None:
    lines = lines_of(tree, folder / REQUIREMENTS)
    if not lines and tree.has(folder / "conda.yaml"):
        found = part(yaml_of(tree, folder / "conda.yaml"), "dependencies")
        pips = (
            [one["pip"] for one in found if isinstance(one, dict) and "pip" in one] if isinstance(found, list) else []
        )
        lines = [line for pip in pips for line in texts(pip)]
    if flavor.package != "mlflow":
        lines = without(lines, "mlflow", "mlflow-skinny")
    known = {package_of(line) for line in lines}
    known |= {"xgboost"} if "xgboost-cpu" in known else set()
    wanted = [
        flavor.package,
        *(["scikit-learn"] if flavor.name == "skops" else []),
        "pandas" if with_frames else "numpy",
    ]
    added = [one for one in wanted if one not in known]
    why = f"of {place(folder / REQUIREMENTS)}"
    model.requirements([*lines, *added], why + (", without MLflow" if flavor.package != "mlflow" else ""))


def _sample(tree: SourceTree, folder: PurePosixPath, model: OneModel, columns: list[tuple[str, str]]) -> None:
    for name in EXAMPLE_FILES:
        if tree.has(folder / name) and (rows := _rows_of(json_of(tree, folder / name))):
            model.sample(rows[:3], f"the first rows of {name}")
            return
    if columns:
        model.sample([[EXAMPLES.get(kind, "text") for _, kind in columns]], "made up from the signature")
        model.unit.to_do.append(f"{model.folder / 'test/test_instances.json'}: is made up: put a row of yours there")


def _rows_of(example: Any) -> list[Any]:
    """The rows of an example in one of the forms that MLflow writes."""
    for key in ("dataframe_split", "inputs", "dataframe_records", "instances"):
        example = example.get(key, example) if isinstance(example, dict) else example
    rows = example.get("data") if isinstance(example, dict) else example
    return [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []


def _remarks(document: dict[str, Any], flavor: Flavor, model: OneModel) -> None:
    version = str(part(document, "flavors", "python_function", "python_version") or "")
    if version and not version.startswith(("3.11.", "3.12.", "3.13.")):
        model.unit.to_do.append(
            f"{model.folder / REQUIREMENTS}: of Python {version}: a pin may have no wheel for that of the images"
        )
    if flavor.name == "python_function":
        model.unit.to_do.append(f"{model.folder}: is loaded by MLflow itself, which its images have to install")


KIND = Kind(
    NAME, "a file MLmodel", lambda tree: tree.has(TOP / FILE) or any(path.name == FILE for path in tree.files), bring
)
