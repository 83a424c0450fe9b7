"""The workers of a tuning, as the host sees them: containers that train one trial after the other."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from trainyard.host.engines.base import RunPlan
from trainyard.host.engines.container_output import Conversation
from trainyard.host.support.shared_folder import SharedFolder

ARGUMENTS = ("trials",)  # of the run script: trainyard/image/train/trials.py
_LAST = 2000  # bytes of what it wrote to standard error


class Converses(Protocol):
    """Starts workers: an engine's ``Runner`` here, or what does so on a compute."""

    def converse(self, plan: RunPlan) -> Conversation:
        """Start a container with a standard input that we write to; whoever calls has to close the conversation."""


@dataclass(frozen=True)
class Event:
    """A worker's report, or that it has ended with ``status``."""

    worker: TrialWorker
    report: dict[str, Any] | None = None
    status: int = 0


Events = queue.Queue[Event]


class TrialWorker:
    """One of them. It is ready once it has imported the train function."""

    def __init__(self, runner: Converses, plan: RunPlan, events: Events, log: Path) -> None:
        self.ready = False
        self.closed = False
        self.since = time.monotonic()
        self._events = events
        self._log = log
        self._rest = self._last = b""
        self._conversation = runner.converse(replace(plan, arguments=ARGUMENTS, output=self._heard))
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def lost(self) -> bool:
        """Whether it has ended by no fault of the trial that it was at."""
        return self._conversation.lost

    def order(self, trial: int, run: str, payload: dict[str, Any]) -> None:
        self._conversation.say(json.dumps({"trial": trial, "run": run, "payload": payload}))

    def end(self, trial: int) -> None:
        """End that trial, if it is still at it; it answers as if it had been killed."""
        self._conversation.say(json.dumps({"end": trial}))

    def close(self, seconds: float) -> None:
        """End the worker and what it does."""
        self.closed = True
        self._conversation.close(seconds)

    def kill(self) -> None:
        """End one that does not answer: it is heard of as one that has ended."""
        self._conversation.close(0)

    @property
    def reason(self) -> str:
        """Why it has ended, as far as it wrote that."""
        lines = [line.strip() for line in self._last.decode(errors="replace").splitlines() if line.strip()]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return next(iter([*errors, *reversed(lines)]), "")

    def _heard(self, output: bytes, is_error: bool) -> None:
        """Two threads call this, one for each kind."""
        if is_error:
            self._keep(output)
            return
        *lines, self._rest = (self._rest + output).split(b"\n")
        for line in lines:
            try:
                self._events.put(Event(self, json.loads(line)))
            except ValueError:  # an image whose run script knows no trials
                self._keep(line + b"\n")

    def _keep(self, output: bytes) -> None:
        self._last = (self._last + output)[-_LAST:]
        shared = SharedFolder.of_run(self._log.parent)
        with contextlib.suppress(OSError), shared.append(self._log.name) as log:  # a full disk: trials say so
            log.write(output)

    def _wait(self) -> None:
        self._events.put(Event(self, status=self._conversation.wait()))
