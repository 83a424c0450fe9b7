"""Data stores that compute.yaml names as storages: whether they can be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import FILE, OBJECTS, Datastores, read_datastores
from trainyard.host.data.store import KEYS
from trainyard.host.experiments.yaml_files import YamlFile


def check_stores(root: Path, file: YamlFile, named: Mapping[str, str]) -> None:
    """``named``: the data store of each compute that has one; ``file`` is compute.yaml.

    Raises:
        TrainyardError: one is not in datastores.yaml, or makes no links.
    """
    stores = read_datastores(root) if named else None
    for compute, name in named.items():
        assert stores
        if problem := _problem(name, stores):
            what, fix = problem
            where = file.where((compute, "storage", "store"))
            raise TrainyardError(f"{where}: {compute}.storage.store: {what}", fix)


def _problem(name: str, stores: Datastores) -> tuple[str, str] | None:
    """What is wrong with a store, and the fix."""
    if name not in stores.entries:
        known = f"{FILE} has {', '.join(stores.entries)}" if stores.entries else f"{FILE} has none"
        return f"there is no data store {name}", f"{known}; make {stores.ADDING.format(name=name)} adds one"
    store = stores.entries[name]
    if store.scheme not in OBJECTS:
        return (
            f"{name} is {store.scheme}://, for which there are no links",
            "name a store that is s3://, gs:// or abfs://",
        )
    if store.credentials == "none":
        return f"{name} has `credentials: none`, which cannot sign links", KEYS
    return None
