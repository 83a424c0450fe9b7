"""A model directory written from a table: what it will be is decided first, then everything is written at once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.repository import Repository
from trainyard.host.scaffold.adding import add_all
from trainyard.host.scaffold.dataset_place import dataset_name, is_copied
from trainyard.host.scaffold.model_places import Place, as_new, check_free
from trainyard.host.scaffold.rendering import render
from trainyard.host.scaffold.tables.reading import is_columnar
from trainyard.host.scaffold.tables.table_profile import TableProfile, Use

FAMILIES = ("linear", "forest", "boosting")
SCIKIT_LEARN = "scikit-learn"
PYTORCH, KERAS = "pytorch", "keras"
CALLED = {"sklearn": SCIKIT_LEARN, "torch": PYTORCH, "tensorflow": KERAS}  # as they are imported
FRAMEWORKS = (SCIKIT_LEARN, "xgboost", "catboost", "lightgbm", PYTORCH, KERAS, "plain")
NATIVE = "native"
# Where there is a choice; the first is the default.
SERIALIZATIONS = {"xgboost": ("onnx", NATIVE), "catboost": ("onnx", NATIVE), "lightgbm": ("pickle", NATIVE)}


@dataclass(frozen=True)
class NewModel:
    """What shall be written. ``path`` is the model's folder, ``dataset`` the table wherever it lies now."""

    path: Path
    dataset: Path
    profile: TableProfile
    target: str
    task: str
    framework: str
    family: str
    separator: str = ""
    encoding: str = ""
    serialization: str = ""
    torch_index: str = ""

    @property
    def project(self) -> Path:
        return self.path.parent

    @property
    def place(self) -> Place:
        return Place(self.project.name, self.path.name)

    @property
    def uses(self) -> list[Use]:
        """What becomes of the columns."""
        return self.profile.uses(self.target)

    @property
    def dataset_name(self) -> PurePosixPath:
        """Where its table is below the project, or its copy will be.

        Raises:
            TrainyardError: it can be nowhere.
        """
        return dataset_name(self.dataset, self.project)

    @property
    def is_copied(self) -> bool:
        """Whether the table lies elsewhere now."""
        return is_copied(self.dataset, self.project)


def check_framework(framework: str, family: str) -> tuple[str, str]:
    """The framework and the family that are meant.

    Raises:
        TrainyardError: there is no such one.
    """
    framework = CALLED.get(framework, framework)
    if framework not in FRAMEWORKS:
        raise TrainyardError(f"FRAMEWORK={framework}: no such framework", f"say one of {', '.join(FRAMEWORKS)}")
    if framework != SCIKIT_LEARN:
        if family:
            raise TrainyardError(f"FAMILY={family}: {framework} has no families", "leave FAMILY out")
        return framework, framework
    if family and family not in FAMILIES:
        raise TrainyardError(f"FAMILY={family}: no such family", f"say one of {', '.join(FAMILIES)}")
    return framework, family or FAMILIES[0]


def check_serialization(framework: str, serialization: str) -> str:
    """What is meant; empty where there is no choice.

    Raises:
        TrainyardError: there is none, or no such one.
    """
    known = SERIALIZATIONS.get(framework, ())
    if not serialization or serialization in known:
        return serialization or "".join(known[:1])
    fix = f"say one of {', '.join(known)}" if known else "leave SERIALIZATION out"
    what = "no such format" if known else "there is no choice"
    raise TrainyardError(f"SERIALIZATION={serialization}: {what} with FRAMEWORK={framework}", fix)


def check_use(model: NewModel, repository: Repository) -> None:
    """Whether the model can be written.

    Raises:
        TrainyardError: no column is left to predict by, the table cannot be where it would have to be, or another model
            has one of its names.
    """
    if not any(use.kind for use in model.uses):
        raise TrainyardError(
            f"{model.dataset}: no column is left to predict {model.target!r} by",
            "give columns with values that differ, and do not only tell the rows apart",
        )
    _ = model.dataset_name
    check_free(as_new(model.place, repository), repository, f"NAME={model.path.name}")


def write_model(model: NewModel, repository: Repository, *, dry_run: bool) -> list[PurePosixPath]:
    """Write the model and whatever its project lacks; the paths below the monorepo.

    Raises:
        TrainyardError: something is in the way, or the disk is full; nothing has changed then.
    """
    with tempfile.TemporaryDirectory(prefix="trainyard-model-") as name:
        staged = Path(name)
        folder = staged / model.path.relative_to(repository.root)
        render("model", folder, _answers(model))
        (folder / "test").mkdir()
        request = {"payload": {"instances": model.profile.instances(model.uses)}}
        (folder / "test" / "test_instances.json").write_text(json.dumps(request, indent=2) + "\n")
        _stage_project(model, folder.parent)
        return add_all(staged, repository.root, dry_run=dry_run)


def _stage_project(model: NewModel, staged: Path) -> None:
    if model.is_copied:
        copy = staged / model.dataset_name
        copy.parent.mkdir()
        copy.symlink_to(model.dataset.resolve())  # add() copies what it leads to
    if not (model.project / "models").exists():
        (staged / "models").mkdir()
        (staged / "models" / ".gitkeep").touch()


def _answers(model: NewModel) -> Mapping[str, Any]:
    columns = [
        {"name": use.name, "kind": use.kind, "what": use.what, "does": use.does} for use in model.uses if use.kind
    ]
    left_out = [
        {"name": use.name, "what": use.what, "why": use.does.removeprefix("left out: ")}
        for use in model.uses
        if not use.kind and use.name
    ]
    table = {
        "target": model.target, "rows": model.profile.rows, "columns": columns, "left_out": left_out,
        "missing": sorted(model.profile.marks), "decimal": model.profile.decimal, "separator": model.separator,
        "encoding": model.encoding, "parquet": is_columnar(model.dataset),
    }  # fmt: skip
    return {
        "project": model.place.project, "name": model.place.model, "model_name": model.place.model_name,
        "container": model.place.container_name, "framework": model.framework, "family": model.family,
        "task": model.task, "dataset": str(model.dataset_name), "table": table, "serialization": model.serialization,
        "torch_index": model.torch_index,
    }  # fmt: skip
