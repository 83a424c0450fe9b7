"""A real MLflow server for tests, started by make track, and what MLflow's own client says of it."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monorepo import Monorepo, free_port

from trainyard.host.experiments.run_files import begun

if TYPE_CHECKING:  # MLflow takes seconds to import, which tests that were not chosen do not need
    from mlflow import MlflowClient
    from mlflow.entities import Run

WAIT = {"READY_TIMEOUT": "600", "TRACKING_TIMEOUT": "60"}  # of a machine that is busy with other tests


class Tracking:
    """The server of a monorepo; it may be stopped and started again."""

    def __init__(self, repo: Monorepo, env: dict[str, str] | None = None) -> None:
        self.repo, self.env = repo, env or {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        database, empty = self.repo.path / "mlruns" / "mlflow.db", empty_database()
        is_new = not database.exists() and "TRACK_DATABASE" not in self.env
        if is_new and empty.exists():
            database.parent.mkdir(exist_ok=True)
            shutil.copy(empty, database)
        self.repo.make(None, "track", "DETACH=1", f"TRACK_PORT={self.port}", **WAIT, **self.env).succeeded()
        if is_new and not empty.exists():
            with closing(sqlite3.connect(database)) as made, closing(sqlite3.connect(empty)) as kept:
                made.backup(kept)

    def stop(self) -> None:
        self.repo.make(None, "track-stop").succeeded()

    def kill(self) -> None:
        """As a machine that goes down; nothing is written down."""
        os.killpg(self.state["pid"], signal.SIGKILL)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.repo.path / "mlruns/server.json").read_text())
        return found

    @property
    def client(self) -> MlflowClient:
        from mlflow import MlflowClient

        return MlflowClient(self.url, registry_uri=self.url)

    def runs(self, experiment: str) -> list[Run]:
        """All of them, the oldest first."""
        from mlflow.entities import ViewType

        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            return []
        runs = self.client.search_runs([found.experiment_id], "", ViewType.ALL)
        return sorted(runs, key=lambda run: begun(run.data.tags.get("trainyard.run_id", "")))

    def every_run(self) -> list[Run]:
        """Of all experiments."""
        from mlflow.entities import ViewType

        experiments = [one.experiment_id for one in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, "", ViewType.ALL, max_results=1000))

    def artifacts(self, run: Run, folder: str | None = None) -> set[str]:
        return {one.path for one in self.client.list_artifacts(run.info.run_id, folder)}

    def history(self, run: Run, metric: str) -> list[tuple[int, float]]:
        found = self.client.get_metric_history(run.info.run_id, metric)
        return sorted((one.step, one.value) for one in found)


@functools.cache
def empty_database() -> Path:
    """Where the first server of this process leaves its tables for the others: making them takes it five seconds."""
    folder = tempfile.TemporaryDirectory(prefix="trainyard-mlflow-")
    atexit.register(folder.cleanup)
    return Path(folder.name) / "mlflow.db"


@contextmanager
def tracking(path: Path, **env: str) -> Iterator[Tracking]:
    """A monorepo with a server, which has ``env`` in its environment."""
    server = Tracking(Monorepo(path), env)
    server.start()
    try:
        yield server
    finally:
        server.stop()
