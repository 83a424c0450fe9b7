"""The models of the service's own monorepo, and what their data is now."""

from __future__ import annotations

from dataclasses import replace

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir, read_model_dir
from trainyard.host.operations.session import Session
from trainyard.host.operations.training_data import data_of
from trainyard.host.retrain.triggers.complaints import Complaints
from trainyard.host.support.reporter import SILENT, Reporter


class OwnMonorepo:
    """What a ``Watcher`` watches. Both methods may be called from any thread."""

    def __init__(self, session: Session, reporter: Reporter = SILENT) -> None:
        # What a training would warn of it need not hear of at every look.
        self._session = replace(session, commands=replace(session.commands, reporter=SILENT))
        self._complaints = Complaints(reporter)

    def models(self) -> list[ModelDir]:
        """Those that can be read; of each other one a warning, once."""
        root, found = self._session.repository.root, []
        for path in self._session.repository.every_model_path():
            with self._complaints.caught(f"{path.parent.name}/{path.name}"):
                found.append(read_model_dir(path, root))
        return found

    def data_version(self, model: ModelDir) -> str:
        """Name and version of what a training would get now: another text means other data. Nothing is fetched.

        Raises:
            TrainyardError: the store does not answer or has no such dataset; or the data is the project's own.
        """
        found = data_of(self._session, model, {"$ref": model.dataset_name, "model_name": model.model_name})
        if not found.datasets:
            raise TrainyardError(
                f"on_data watches data stores, and {model.dataset_name} is a file of the repository",
                "name a dataset of a data store, or remove on_data: a push of the file trains, too",
            )
        return " ".join(f"{dataset.resolved.ref}@{dataset.resolved.version}" for dataset in found.datasets)
