"""A monorepo that a watcher watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from monorepo import Model, Monorepo
from sqlalchemy import create_engine

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.session import open_session
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.triggers.own_monorepo import OwnMonorepo
from trainyard.host.retrain.triggers.trigger_store import SqlTriggerStore
from trainyard.host.retrain.triggers.watching import Watcher
from trainyard.host.support.reporter import Recording
from trainyard.settings.retrain import TriggerSettings


class Watched:
    """``asked``: model and trigger of each request. ``refuses``: why none is taken, if so."""

    def __init__(self, path: Path) -> None:
        self.repo = Monorepo(path / "repo")
        self.database = f"sqlite:///{path / 'state.db'}"
        self.asked: list[tuple[str, str]] = []
        self.requests: list[RetrainRequest] = []
        self.refuses = ""
        self.heard = Recording()
        self._lock = threading.Lock()

    def model(self, name: str, section: str) -> Model:
        model = self.repo.add_model(name)
        self.configure(model, section)
        return model

    def configure(self, model: Model, section: str) -> None:
        (model.path / "config.yaml").write_text(f"retrain: {section}\n")

    def store(self) -> SqlTriggerStore:
        return SqlTriggerStore(create_engine(self.database))

    def watcher(
        self, data_version: Callable[[ModelDir], str] | None = None, poll: int = 0, pause: int = 0, timeout: int = 5
    ) -> Watcher:
        """As after a start of the service."""
        own = OwnMonorepo(open_session(self.repo.path, self.heard), self.heard)
        settings = TriggerSettings(poll=poll, poll_timeout=timeout, pause=pause)
        return Watcher(
            own.models, self._submit, self.store(), settings, data_version or own.data_version, self.heard
        )  # fmt: skip

    @property
    def warnings(self) -> list[str]:
        return self.heard.noted("warning")

    def _submit(self, request: RetrainRequest, trigger: str) -> None:
        if self.refuses:
            raise TrainyardError(self.refuses, "wait")
        with self._lock:
            self.asked.append((request.model, trigger))
            self.requests.append(request)


def ticked(watcher: Watcher, now: datetime | None = None) -> None:
    """One tick, and all that it began."""
    watcher.tick(now)
    assert watcher.wait(30)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
