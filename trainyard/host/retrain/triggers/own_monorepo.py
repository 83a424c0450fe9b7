"""The models of the service's own monorepo, what their data is now, and which of them a push changes."""

from __future__ import annotations

from dataclasses import replace

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir, read_model_dir
from trainyard.host.monorepo.repository import DIFF
from trainyard.host.monorepo.revision import git
from trainyard.host.network.urls import without_logins
from trainyard.host.operations.affected_models import affected_by
from trainyard.host.operations.session import Session
from trainyard.host.operations.training_data import data_of
from trainyard.host.retrain.triggers.complaints import Complaints
from trainyard.host.retrain.triggers.pushed import Push
from trainyard.host.support.reporter import SILENT, Reporter


class OwnMonorepo:
    """What a ``Watcher`` watches, and pushes are compared with. Its methods may be called from any thread."""

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

    def affected(self, push: Push, fetch_timeout: float) -> list[str]:
        """The models that are here and that a push changes. Its commits are fetched from ``origin`` where git does not
        have them; the work tree stays as it is.

        Raises:
            TrainyardError: there is no git repository, or the commit cannot be had within ``fetch_timeout`` seconds.
        """
        root = self._session.repository.root
        if not self._has(push.commit):
            self._fetch(push.commit, fetch_timeout)
        # Of a new branch, and where a forced push took the old commit away: what differs from what is here.
        before = push.before if push.before and self._has(push.before) else "HEAD"
        changed = git(root, "diff", *DIFF, before, push.commit, "--", ".")
        return sorted(affected_by(self._session, {path for path in changed.split("\0") if path}).models)

    def _has(self, commit: str) -> bool:
        try:
            git(self._session.repository.root, "cat-file", "-e", f"{commit}^{{commit}}")
        except TrainyardError:
            return False
        return True

    def _fetch(self, commit: str, seconds: float) -> None:
        # Without a terminal that it could ask: the service may have been started from one.
        program = ["env", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "git", "-C", str(self._session.repository.root)]
        options = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
        try:
            self._session.commands.ask([*program, "fetch", *options, "origin", commit], seconds=seconds)
        except TrainyardError as error:
            why = without_logins(error.message)
            raise TrainyardError(f"commit {commit[:12]} cannot be fetched: {why}", error.hint, EXIT_FAILED) from None
