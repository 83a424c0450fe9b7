"""Asks for trainings that config.yaml wants by itself: by a schedule, when data is new, when rows drift."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.retrain_section import DriftTrigger, RetrainSection
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.triggers.complaints import Complaints
from trainyard.host.retrain.triggers.drift_counter import drift_of
from trainyard.host.retrain.triggers.drift_state import read_state
from trainyard.host.retrain.triggers.schedules import next_after
from trainyard.host.retrain.triggers.trigger_store import TriggerStore
from trainyard.host.support.reporter import SILENT, Reporter
from trainyard.settings.retrain import TriggerSettings

LONGEST_PAUSE = 15  # seconds between two ticks: schedules name minutes
_CLOCK_WENT_BACK = timedelta(hours=2)  # by less it is not worth a warning

Models = Callable[[], Sequence[ModelDir]]
Submit = Callable[[RetrainRequest, str], object]  # the request, and the trigger as a job has it
DataVersion = Callable[[ModelDir], str]


def _now() -> datetime:
    return datetime.now(UTC)


class Watcher:
    """Looks at every model, again and again. Each look has its own error; what has to ask another machine does so in a
    thread of its own."""

    def __init__(
        self, models: Models, submit: Submit, store: TriggerStore, settings: TriggerSettings,
        data_version: DataVersion, reporter: Reporter = SILENT, clock: Callable[[], datetime] = _now,
    ) -> None:  # fmt: skip
        """``models``: those of the service's monorepo, read anew at every tick. ``submit`` makes a job, or raises: the
        trigger then asks again. ``data_version``: as ``OwnMonorepo.data_version``."""
        self._models = models
        self._submit = submit
        self._store = store
        self._settings = settings
        self._data_version = data_version
        self._clock = clock
        self._complaints = Complaints(reporter)
        self._drift_lock = threading.Lock()  # what was counted is read and written by two threads
        self._looks: dict[str, tuple[threading.Thread, float]] = {}
        self._ended = threading.Event()
        self._ticking: threading.Thread | None = None

    def start(self) -> None:
        """Tick from a thread, until ``close``."""
        self._ticking = threading.Thread(target=self._run, name="triggers", daemon=True)
        self._ticking.start()

    def close(self, seconds: float = 3) -> None:
        """Stop, and wait a little for looks that go on."""
        self._ended.set()
        if self._ticking:
            self._ticking.join(seconds)
        self.wait(seconds)

    def wait(self, seconds: float) -> bool:
        """Wait until no look goes on; False where one still does."""
        deadline = time.monotonic() + seconds
        for thread, _ in list(self._looks.values()):
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread, _ in list(self._looks.values()))

    def tick(self, now: datetime | None = None) -> None:
        """Look at every model once. It raises nothing, and does not wait for other machines."""
        moment = (now or self._clock()).astimezone(UTC)
        models: Sequence[ModelDir] = ()
        with self._complaints.caught("retrain triggers"):
            models = self._models()
        for model in models:
            with self._complaints.caught(f"{model.name}: retrain"):
                self._look_at(model, read_config(model.path).retrain, moment)

    def trained(self, model: str) -> None:
        """A job of the model has ended well: drift is counted anew. ``model`` is ``<project>/<model>``."""
        key = _key("drift", model)
        with self._complaints.caught(f"{model}: drift after a training"), self._drift_lock:
            if kept := self._store.get(key):
                self._store.set(key, read_state(kept, str(kept.get("of"))).trained().as_json())

    def _run(self) -> None:
        pause = max(1, min(self._settings.poll, LONGEST_PAUSE))
        while not self._ended.is_set():
            self.tick()
            self._ended.wait(pause)

    def _look_at(self, model: ModelDir, section: RetrainSection, now: datetime) -> None:
        with self._complaints.caught(f"{model.name}: schedule"):
            self._schedule(model, section, now)
        if section.on_data:
            self._apart(f"{model.name}: data", lambda: self._data(model, section))
        if trigger := section.on_drift:
            self._apart(f"{model.name}: drift", lambda: self._drift(model, section, trigger, now))

    def _apart(self, what: str, look: Callable[[], None]) -> None:
        """In a thread, unless the last one goes on still, or began less than RETRAIN_POLL seconds ago. A daemon: a
        store that is silent must not keep the service from ending."""
        thread, began = self._looks.get(what, (None, 0.0))
        if thread and (thread.is_alive() or time.monotonic() - began < self._settings.poll):
            return

        def caught() -> None:
            with self._complaints.caught(what):
                look()

        thread = threading.Thread(target=caught, name=f"triggers {what}", daemon=True)
        self._looks[what] = thread, time.monotonic()
        thread.start()

    def _schedule(self, model: ModelDir, section: RetrainSection, now: datetime) -> None:
        """Once for all times that have passed since it last asked: a service that was down catches up with one."""
        key, kept = _key("schedule", model.name), self._store.get(_key("schedule", model.name))
        if not section.schedule:
            if kept:  # written again a month later, it must not ask for what has passed meanwhile
                self._store.set(key, None)
            return
        text = f"{section.schedule} {section.time_zone}"
        last = _last(kept, text)
        if last is None:
            self._store.set(key, {"schedule": text, "last": now.isoformat()})
            return
        if last - now > _CLOCK_WENT_BACK:
            raise TrainyardError(
                f"the clock is before {last.isoformat(timespec='minutes')}, when it last asked: it waits until then",
                "correct the clock; a schedule that is written in another way begins anew",
            )
        due = next_after(section.schedule, section.zone, last)
        if due is None or due > now:
            return
        self._ask(model, section, "schedule")
        self._store.set(key, {"schedule": text, "last": now.isoformat()})

    def _data(self, model: ModelDir, section: RetrainSection) -> None:
        key, found = _key("data", model.name), self._data_version(model)
        kept = self._store.get(key)
        if kept == found:
            return
        if kept is not None:  # else it is seen for the first time, and there is nothing that it was before
            self._ask(model, section, "data")
        self._store.set(key, found)

    def _drift(self, model: ModelDir, section: RetrainSection, trigger: DriftTrigger, now: datetime) -> None:
        key, of = _key("drift", model.name), f"{trigger.server} {trigger.of}"
        count = drift_of(trigger, {route.path for route in model.routes}, self._settings.poll_timeout)
        with self._drift_lock:
            state = read_state(self._store.get(key), of).looked(count)
            self._store.set(key, state.as_json())
            if state.is_due(trigger.threshold, now, self._settings.pause):
                self._ask(model, section, "drift")
                self._store.set(key, state.asked_at(now).as_json())

    def _ask(self, model: ModelDir, section: RetrainSection, trigger: str) -> None:
        request = {"model": model.name, "deploy": section.deploy}
        self._submit(RetrainRequest.model_validate(request), trigger)


def _key(kind: str, model: str) -> str:
    return f"{kind} {model}"


def _last(kept: Any, schedule: str) -> datetime | None:
    """When a schedule last asked; None where it is another one than was kept."""
    try:
        return datetime.fromisoformat(kept["last"]) if kept["schedule"] == schedule else None
    except (KeyError, TypeError, ValueError):
        return None
