"""Data stores by their names in datastores.yaml, opened with the settings and credentials of this call."""

from __future__ import annotations

from trainyard.host.data.cache import PlacedDataset
from trainyard.host.data.datastores import Datastores, read_datastores
from trainyard.host.data.drivers import open_store
from trainyard.host.data.resolving import resolve
from trainyard.host.data.store import Store
from trainyard.host.monorepo.dataset_ref import DatasetRef
from trainyard.host.operations.session import Session
from trainyard.settings.own_process import callers_environment


def store_of(session: Session, name: str, stores: Datastores | None = None) -> Store:
    """The store of that name, of ``stores`` in place of those in datastores.yaml.

    Raises:
        TrainyardError: there is none, its driver is not installed, or its credentials are not there.
    """
    stores = stores or read_datastores(session.repository.root)
    return open_store(name, stores, callers_environment(), session.data)


def dataset_of(
    session: Session, ref: DatasetRef, purpose: str = "train", *, base: str = "", place: str = ""
) -> PlacedDataset:
    """A dataset of a store as it is now. ``purpose``: as of ``newest.chosen``; ``base`` and ``place``: as of what is
    returned.

    Raises:
        TrainyardError: as ``store_of``; or there is no such dataset.
    """
    stores = read_datastores(session.repository.root)
    store = store_of(session, ref.store, stores)
    return PlacedDataset(resolve(ref, store, stores.find(ref.store).url, session.reporter, purpose), store, base, place)
