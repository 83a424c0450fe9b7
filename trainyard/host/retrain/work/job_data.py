"""The data that a job may train on: data stores that the service knows, and URLs that its operator allows.

The ``datastores.yaml`` of a checkout is not read: a repository could name folders of this machine in it, or have
credentials of this machine sent to a host of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.datastores import FILE, Datastore, Datastores, read_datastores, write_datastore
from trainyard.host.experiments.yaml_files import dump_yaml
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.settings.retrain import RetrainSettings

STORE = "dataset-uri"  # what the store of a request's URL is called


def use_own_stores(own: Path, checkout: Path) -> None:
    """Give a checkout the data stores of the monorepo ``own``.

    Raises:
        TrainyardError: the file has a mistake, or cannot be written.
    """
    stores = {name: _from_anywhere(own, store) for name, store in read_datastores(own).entries.items()}
    content = {name: store.model_dump(exclude_defaults=True) for name, store in stores.items()}
    try:
        (checkout / FILE).unlink(missing_ok=True)
        if content:
            write_whole(checkout / FILE, Datastores.HEADER + dump_yaml(content))
    except OSError as error:
        raise TrainyardError(
            f"{error.filename}: {error.strerror}", "check permissions and space", EXIT_FAILED
        ) from None


def dataset_of(model: ModelDir, checkout: Path, uri: str, settings: RetrainSettings) -> Mapping[str, str]:
    """What a payload says of the dataset of a request; nothing where that names none. A URL becomes a store.

    Raises:
        TrainyardError: nobody allows the URL, or it leads out of the project.
    """
    if not uri:
        return {}
    if "://" not in uri:
        place = PurePosixPath(uri.partition(":")[2] or uri)
        if place.is_absolute() or ".." in place.parts:
            raise TrainyardError(f"dataset_uri {uri}: leads out of {model.project.name}", "name a path below data/")
        return {"$ref": uri}
    if not any(fnmatchcase(uri, pattern) for pattern in settings.datasets.split()):
        raise TrainyardError(
            f"RETRAIN_DATASETS does not name {urlsplit(uri).scheme}://{urlsplit(uri).hostname or ''}",
            "name a data store of the service, as <store>:<path>, or have the operator list the URL",
        )
    base, _, name = uri.rpartition("/") if "#" not in uri else (uri, "", "")
    try:
        write_datastore(checkout, STORE, Datastore(url=base))
    except ValueError as error:  # pydantic's
        raise TrainyardError(f"dataset_uri is not the URL of a dataset: {error}", "see docs/data.md") from None
    return {"$ref": f"{STORE}:{name}"}


def _from_anywhere(own: Path, store: Datastore) -> Datastore:
    """Its path is one from the top of the monorepo, and a checkout has another top."""
    if store.scheme == "file" and "://" not in store.url:
        return store.model_copy(update={"url": str((own / store.url).resolve())})
    return store
