"""``training.data`` of config.yaml: the files of ``<store>:<prefix>`` as a training finds them below ``data/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.data.cache import PlacedDataset
from trainyard.host.data.resolving import resolve
from trainyard.host.data.store import NotThere, joined
from trainyard.host.experiments.config import FILE, read_config
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.host.monorepo.model_dir import COMMAND_LINE, ModelDir
from trainyard.host.operations.named_stores import dataset_of
from trainyard.host.operations.payloads import given_payload
from trainyard.host.operations.session import Session

FOLDER = "data"


def section_for(session: Session, model: ModelDir, payload: Mapping[str, Any]) -> TrainingSection | None:
    """The section by which the payload's data comes; None where config.yaml names no place, or the dataset is one of
    the command line, of an experiment file, or of a store.

    Raises:
        TrainyardError: config.yaml has a mistake.
    """
    name = str(payload.get("$ref", ""))
    given = model.variables.get("DATASET_NAME")
    if not given or name != given.text or given.source == COMMAND_LINE or parse_ref(name).store:
        return None
    if "$ref" in given_payload(session) or not (model.path / FILE).is_file():
        return None
    section = read_config(model.path).training
    return section if section.data else None


def dataset_of_section(session: Session, section: TrainingSection) -> PlacedDataset:
    """All files of the place, as they are now.

    Raises:
        TrainyardError: there are none, or the store does not answer.
    """
    ref = section.data_ref
    try:
        return dataset_of(session, ref, base=ref.path, place=section.key_prefix)
    except NotThere as error:
        fix = "make prepare puts the sample data there, make data-push your own"
        raise NotThere(f"training.data: {error.message}", fix) from None


def place_in(session: Session, section: TrainingSection, dataset: PlacedDataset, name: str, purpose: str) -> str:
    """Where a dataset that is named by its path below the project is then: the same path, but for ``latest`` and
    patterns, which name the newest.

    Raises:
        TrainyardError: the place of ``training.data`` has no such file or folder.
    """
    path = path_in(section, name)
    ref = DatasetRef(section.data_ref.store, path)
    if ref.is_open:
        resolved = resolve(ref, dataset.store, dataset.resolved.url, session.reporter, purpose)
        return f"{FOLDER}/{dataset.place_of(resolved.ref.path)}"
    if not any(item.path == path or item.path.startswith(f"{path}/") or not path for item in dataset.resolved.items):
        raise TrainyardError(
            f"{name}: {section.data} has no {path.removeprefix(dataset.base).lstrip('/')}",
            f"put it there, or correct DATASET_NAME; see make data-list STORE={ref.store} AT={dataset.base}",
        )
    return name


def path_in(section: TrainingSection, name: str) -> str:
    """The path in the store of a dataset that is named by its path below the project.

    Raises:
        TrainyardError: it is not below the folder where ``training.data`` appears.
    """
    folder = joined(FOLDER, section.key_prefix)
    if name.rstrip("/") != folder and not name.startswith(f"{folder}/"):
        raise TrainyardError(
            f"{name}: the files of training.data appear below {folder}/", "correct DATASET_NAME, or training.key_prefix"
        )
    return joined(section.data_ref.path, name.removeprefix(folder))


def tags_of(section: TrainingSection, name: str) -> dict[str, str]:
    """Of a run, beside those of every dataset of a store: by which its data can be put there again."""
    return {"dataset_name": name, "key_prefix": section.key_prefix} if section.key_prefix else {"dataset_name": name}


def section_of_tags(tags: Mapping[str, str]) -> TrainingSection | None:
    """The section as it was when a run got its data by it; None of a run with other data."""
    if "dataset_name" not in tags:
        return None
    return TrainingSection(data=tags.get("dataset", ""), key_prefix=tags.get("key_prefix", ""))
