"""What the dataset of a model is now."""

from __future__ import annotations

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.session import Session
from trainyard.host.operations.training_data import data_of


def data_version(session: Session, model: ModelDir) -> str:
    """Name and version of what a training would get now. Another text means other data. Nothing is fetched.

    Raises:
        TrainyardError: the store does not answer or has no such dataset; or it is the project's own.
    """
    found = data_of(session, model, {"$ref": model.dataset_name, "model_name": model.model_name})
    if not found.datasets:
        raise TrainyardError(
            f"{model.name}: on_data watches data stores, and {model.dataset_name} is a file of the repository",
            "name a dataset of a data store, or remove on_data: a push of the file trains, too",
        )
    return " ".join(f"{dataset.resolved.ref}@{dataset.resolved.version}" for dataset in found.datasets)
