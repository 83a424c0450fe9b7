"""Data of stores that a training on a compute reads where it is: nothing of it comes to this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from trainyard.host.compute.base import StoredInput
from trainyard.host.data.cache import PlacedDataset, all_places
from trainyard.host.data.store import SignsLinks, StoreError
from trainyard.host.engines.base import PLACES
from trainyard.host.experiments.training import Training
from trainyard.host.operations.session import Session
from trainyard.host.operations.training_data import TrainingData, fetched, reader_of


@dataclass(frozen=True)
class StoredData:
    """``data`` of a ``Training`` whose compute has a data store as its storage."""

    data: TrainingData

    @property
    def inputs(self) -> list[StoredInput]:
        return [
            StoredInput(f"{PLACES['datasets']}/{place}", part.resolved.ref.store, item.path, item.size, item.version)
            for place, (part, item) in all_places(self.data.datasets).items()
        ]


def stored_data(session: Session, data: TrainingData) -> StoredData | None:
    """None where it has to come here first: the compute has no such storage, or a store that it is in no links.

    Raises:
        TrainyardError: there is no such compute.
    """
    is_read_there = data.datasets and reader_of(session) and all(map(_makes_links, data.datasets))
    return StoredData(data) if is_read_there else None


def _makes_links(dataset: PlacedDataset) -> bool:
    """One file stands for all: the one whose name is the least plain."""
    paths = (item.path for item in dataset.resolved.items)
    strangest = max(paths, key=lambda path: len(quote(path)) - len(path))
    try:
        return isinstance(dataset.store, SignsLinks) and bool(dataset.store.link(strangest, 1))
    except StoreError:
        return False


def stored_inputs(training: Training) -> list[StoredInput]:
    """Of a training whose data is not here."""
    return training.data.inputs if isinstance(training.data, StoredData) else []


def with_data_here(session: Session, training: Training) -> Training:
    """The same for a container of this machine: its data is fetched, where it is not here."""
    if not isinstance(training.data, StoredData):
        return training
    mount, cached = fetched(session, training.data.data)
    return replace(training, mounts=(mount, *training.mounts), data=cached)
