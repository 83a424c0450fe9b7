"""The data that a training gets: the project's data/, or datasets of stores, fetched and mounted in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainyard.contract.model_files import check_model_name
from trainyard.errors import TrainyardError
from trainyard.host.compute.compute_file import read_computes
from trainyard.host.data.cache import Cache, CachedDataset, PlacedDataset
from trainyard.host.data.datastores import Datastore, Datastores, read_datastores
from trainyard.host.data.newest import version
from trainyard.host.data.resolving import Resolved, resolve
from trainyard.host.engines.base import Mount
from trainyard.host.experiments.training import check_payload
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.config_data import FOLDER, dataset_of_section, place_in, section_for, tags_of
from trainyard.host.operations.named_stores import dataset_of, store_of
from trainyard.host.operations.session import Session
from trainyard.host.support.command import Limit


@dataclass(frozen=True)
class PayloadKey:
    """A key of a payload that names data. ``purpose``: as of ``newest.chosen``; ``prefix``: what the tags that say what
    the data was begin with."""

    purpose: str
    prefix: str


# The dataset, the one for tests, a folder that is there beside them.
KEYS = {
    "$ref": PayloadKey("train", ""),
    "$test_ref": PayloadKey("test", "test_"),
    "$data": PayloadKey("train", "data_"),
}
_LOCAL = "data"  # what a project's own folder is called where it is one like those of stores


@dataclass(frozen=True)
class TrainingData:
    """What a payload's data means. ``payload`` names it by the paths that the train function finds; ``datasets`` are
    to be fetched, none where all is in the project's data/; ``tags`` say what it was, for runs and records."""

    payload: Mapping[str, Any]
    datasets: tuple[PlacedDataset, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> str:
        """Of what is to be fetched, for messages."""
        return " and ".join(dict.fromkeys(str(dataset.resolved.ref) for dataset in self.datasets))


def data_of(session: Session, model: ModelDir, payload: Mapping[str, Any]) -> TrainingData:
    """Find out what the payload's datasets are now. Nothing is fetched.

    Raises:
        TrainyardError: there is no such dataset or store, or a store does not answer; or as ``check_payload``.
    """
    for key in payload:
        if key.startswith("$") and key not in KEYS:
            session.reporter.warn(f"PAYLOAD: {key} names no data: known are {', '.join(KEYS)}")
    if section := section_for(session, model, payload):
        return data_of_section(session, model, payload, section)
    refs = {key: _ref(model, str(payload[key])) for key in KEYS if payload.get(key)}
    if not any(ref.store or ref.is_open for ref in refs.values()):
        check_payload(model.project, payload)
        return TrainingData(payload)
    if session.commands.dry_run:
        return _shown(session, payload, refs)
    of_store = any(ref.store for ref in refs.values())
    found: dict[str, PlacedDataset] = {}
    tags: dict[str, str] = {}
    places = dict(payload)
    for key, ref in refs.items():
        found[key] = dataset = _dataset(session, model, ref, KEYS[key].purpose)
        place = f"{FOLDER}/{dataset.place_of(dataset.resolved.ref.path)}".rstrip("/")
        places[key] = place
        if ref.store:
            tags |= _tags(dataset, KEYS[key].prefix)
    if of_store:
        check_model_name(places)
    else:
        check_payload(model.project, places)
    if "$ref" in found and "$test_ref" in found:
        _compare_versions(session, found["$ref"].resolved, found["$test_ref"].resolved)
    for key, tag in (("$ref", "train_set"), ("$test_ref", "test_set")):
        if tag in session.tags and key in places:
            tags[tag] = Path(places[key]).name
    return TrainingData(places, tuple(found.values()) if of_store else (), tags)


def data_of_section(
    session: Session, model: ModelDir, payload: Mapping[str, Any], section: TrainingSection
) -> TrainingData:
    """Data of the place that config.yaml names: all of it is there, whatever the payload names in it.

    Raises:
        TrainyardError: as ``data_of``.
    """
    if session.commands.dry_run:
        read_datastores(session.repository.root).find(section.data_ref.store)
        _say_who_reads(session, section.data)
        return TrainingData(payload)
    dataset = dataset_of_section(session, section)
    names = {key: str(payload[key]) for key in KEYS if payload.get(key)}
    places = {key: place_in(session, section, dataset, name, KEYS[key].purpose) for key, name in names.items()}
    found = {**payload, **places}
    check_model_name(found)
    return TrainingData(found, (dataset,), {**_tags(dataset, ""), **tags_of(section, places["$ref"])})


def _ref(model: ModelDir, text: str) -> DatasetRef:
    """A file that is called `latest` is that file, and no question which one."""
    ref = parse_ref(text)
    if ref.is_open and not ref.store and (model.project / ref.path).exists():
        return DatasetRef("", ref.path, literal=True)
    return ref


def _compare_versions(session: Session, train: Resolved, test: Resolved) -> None:
    if train.asked.is_open and test.asked.is_open and version(train.ref.name) != version(test.ref.name):
        session.reporter.warn(f"{train.ref} and {test.ref} are not of one version")


def mounted(session: Session, model: ModelDir, data: TrainingData) -> tuple[Mount, CachedDataset | None]:
    """The data as a container sees it, fetched where it has to be; and what holds it in the cache meanwhile."""
    if not data.datasets:
        return Mount("datasets", model.project / FOLDER), None
    return fetched(session, data)


def fetched(session: Session, data: TrainingData) -> tuple[Mount, CachedDataset]:
    """The same of data of stores."""
    cached = cache_of(session).dataset(data.datasets, data.names)
    return Mount("datasets", cached.folder, read_only=True), cached


def cache_of(session: Session) -> Cache:
    """The cache that DATA_CACHE names; else the monorepo's own."""
    settings = session.data
    folder = Path(settings.data_cache).expanduser() if settings.data_cache else session.repository.state / "data"
    return Cache(folder.absolute(), settings, Limit("LOCK_TIMEOUT", session.settings.lock_timeout), session.reporter)


def _dataset(session: Session, model: ModelDir, ref: DatasetRef, purpose: str) -> PlacedDataset:
    return dataset_of(session, ref, purpose) if ref.store else _local_dataset(session, model, ref, purpose)


def _local_dataset(session: Session, model: ModelDir, ref: DatasetRef, purpose: str) -> PlacedDataset:
    """The project's data/ as if it were a store."""
    folder = model.project / FOLDER
    first, _, rest = ref.path.partition("/")
    if first != FOLDER or not folder.is_dir():
        raise TrainyardError(
            f"{model.project / ref.path}: no such dataset", "name one with DATASET_NAME=data/<file or folder>"
        )
    stores = Datastores(model.project, {_LOCAL: Datastore(url=str(folder))}, {})
    store = store_of(session, _LOCAL, stores)
    return PlacedDataset(resolve(DatasetRef(_LOCAL, rest), store, str(folder), session.reporter, purpose), store)


def _tags(dataset: PlacedDataset, prefix: str) -> dict[str, str]:
    resolved = dataset.resolved
    tags = {
        "dataset": str(resolved.ref),
        "dataset_asked": str(resolved.asked) if resolved.asked != resolved.ref else "",
        "dataset_url": resolved.full_url,
        "dataset_version": resolved.version,
        "dataset_files": str(len(resolved.items)),
    }
    return {f"{prefix}{name}": value for name, value in tags.items() if value}


def record_of(data: TrainingData) -> str:
    """The tags as the record has them, a JSON object; empty where the data is the project's own."""
    return json.dumps(data.tags) if data.tags else ""


def reader_of(session: Session) -> str:
    """The compute that reads data of stores where it is; empty where data has to come here first.

    Raises:
        TrainyardError: there is no such compute.
    """
    compute = session.computing.compute
    return compute if compute and read_computes(session.repository.root).find(compute).store else ""


def _say_who_reads(session: Session, data: str) -> None:
    reader = reader_of(session)
    session.reporter.would(f"have {reader} read {data}" if reader else f"fetch {data} into {cache_of(session).folder}")


def _shown(session: Session, payload: Mapping[str, Any], refs: Mapping[str, DatasetRef]) -> TrainingData:
    """A dry run asks no store."""
    stores = read_datastores(session.repository.root)
    for ref in refs.values():
        if ref.store:
            stores.find(ref.store)
            _say_who_reads(session, str(ref))
    return TrainingData({**payload, **{key: f"{FOLDER}/{ref.path}" for key, ref in refs.items() if ref.store}})
