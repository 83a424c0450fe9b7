"""A place of a data store, as config.yaml names it: opened, looked at, made."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from trainyard.errors import TrainyardError
from trainyard.host.data.credentials import EXPECTED
from trainyard.host.data.datastores import Credentials, Datastore, read_datastores
from trainyard.host.data.store import Item, NotThere, Store, joined
from trainyard.host.monorepo.dataset_ref import DatasetRef
from trainyard.host.operations.named_stores import store_of
from trainyard.host.operations.session import Session
from trainyard.settings.own_process import callers_environment

_LOOKED_AT = 10_000  # files that a place of data may have and still be taken for a half-uploaded sample
READ_ONLY = ("http", "https", "dvc")


@dataclass(frozen=True)
class Place:
    """``<store>:<prefix>``; ``url`` is that of the store."""

    ref: DatasetRef
    url: str
    store: Store
    scheme: str = ""

    def check_writable(self) -> None:
        """Raises:
        TrainyardError: stores of this kind are only read."""
        if self.scheme in READ_ONLY:
            raise TrainyardError(f"{self.ref}: nothing can be written to {self.scheme}://", "name another data store")

    def path(self, *parts: str) -> str:
        """The path in the store of what lies there."""
        return joined(self.ref.path, *parts)

    def is_made(self) -> bool:
        """Whether the bucket, container or folder of the store is there.

        Raises:
            TrainyardError: it does not answer.
        """
        try:
            next(iter(self.store.entries("")), None)
        except NotThere:
            return False
        return True

    def items(self) -> Iterator[Item]:
        """What lies there; nothing where there is no such folder."""
        try:
            yield from self.store.files(self.ref.path)
        except NotThere:
            return

    def has(self, path: str) -> bool:
        """Whether there is a file or a folder of that path in the store."""
        try:
            return next(iter(self.store.files(path)), None) is not None
        except NotThere:
            return False

    def first_items(self) -> list[Item]:
        """Some of what lies there; none where nothing was put there yet."""
        return list(itertools.islice(self.items(), _LOOKED_AT))


def open_place(session: Session, ref: DatasetRef) -> Place:
    """Raises:
    TrainyardError: there is no such store, its driver is not installed, or its credentials are not there."""
    stores = read_datastores(session.repository.root)
    declared = stores.find(ref.store)
    return Place(ref, declared.url, store_of(session, ref.store, stores), declared.scheme)


def variables_needed(store: Datastore) -> list[tuple[str, bool]]:
    """The environment variables by which the credentials of a store come, and whether each is set."""
    given, names = store.credentials, EXPECTED.get(store.scheme, ())
    if isinstance(given, Credentials) and given.variables:
        names = tuple(f"{given.variables}{name}" for name in names)
    elif given != "default":
        return []
    environment = callers_environment()
    return [(name, bool(environment.get(name))) for name in names]
