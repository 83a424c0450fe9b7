"""One route: finds its function when the worker starts, calls it, and writes its result as JSON."""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

from trainyard.errors import ModelUnavailable, TrainyardError
from trainyard.message import Message
from trainyard.resolve import UserFunction, missing_below, resolve, route_target
from trainyard.routes import Route
from trainyard.serve.codec import JSON
from trainyard.serve.message_body import read_message

LOG = logging.getLogger("trainyard.serve")
RETRY_SECONDS = 1.0  # between two attempts to import a module that wants its model at import
SAMPLE = "test/test_instances.json"


class NotJson(Exception):
    """A predict function returned something that JSON cannot say."""


class Endpoint:
    """``POST /<route>``: from a message to the bytes of the answer."""

    def __init__(self, route: Route, sources: Path) -> None:
        self.route = route
        self._sources = sources
        self._function: UserFunction | None = None
        self._failure: TrainyardError | None = None
        self._retry_at = 0.0
        self._lock = threading.Lock()

    def load(self) -> None:
        """Import the function; a failure is logged and kept, and answers every request until it is mended."""
        try:
            self._function = resolve(route_target(self.route), self._sources)
            self._failure = None
        except TrainyardError as error:
            if str(error) != str(self._failure):
                LOG.error("route /%s answers 503: %s", self.route.path, error)
            self._failure = error
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def answer(self, message: Message) -> bytes:
        """The body of the answer to ``message``.

        Raises:
            TrainyardError: the function refuses the request, or its model or module is not there.
            NotJson: its result cannot be written.
            Exception: whatever the function raises.
        """
        try:
            result = self._ready()(message)
        except FileNotFoundError as error:
            # Historical functions open their binary by themselves.
            if missing := missing_below(error, self._sources, ("models",)):
                raise ModelUnavailable(f"{missing}: no such file", "run make train") from error
            raise
        except SystemExit as error:  # it would end the worker, and every other request in it
            raise RuntimeError(f"the predict function calls sys.exit({error.code!r})") from error
        try:
            return JSON.dumps(_wrapped(result))
        except TypeError as error:
            raise NotJson(
                f"{self.route.module}.{self.route.function} returned what JSON cannot say: {error}"
            ) from error

    def warm_up(self) -> None:
        """Predict the model's own sample, if it has one: the first prediction is the slow one."""
        sample = self._sample()
        if not sample or not sample.is_file():
            return
        started = time.monotonic()
        try:
            self.answer(read_message(sample.read_bytes()))
        except Exception as error:  # noqa: BLE001 -- the user's function; the server starts all the same
            LOG.warning("route /%s: its sample %s fails: %s: %s", self.route.path, sample, type(error).__name__, error)
        else:
            LOG.info("route /%s is warm (%.2f s)", self.route.path, time.monotonic() - started)

    def _ready(self) -> UserFunction:
        if self._function is None and isinstance(self._failure, ModelUnavailable):
            with self._lock:
                if self._function is None and time.monotonic() >= self._retry_at:
                    self.load()
        if self._function is not None:
            return self._function
        failure = self._failure or ModelUnavailable(f"/{self.route.path} is not loaded")
        # A new one each time: a raised exception collects the traceback of every request.
        raise ModelUnavailable(failure.message, failure.hint)

    def _sample(self) -> Path | None:
        """Beside the module that defines the function, which a generated module only imports."""
        module = sys.modules.get(getattr(self._function, "__module__", None) or self.route.module)
        file = getattr(module, "__file__", None)
        return Path(file).parent / SAMPLE if self._function and file else None


def _wrapped(result: Any) -> dict[str, Any]:
    """``{"payload": result}``; historical functions wrap it themselves."""
    if isinstance(result, dict) and "payload" in result and (isinstance(result, Message) or len(result) == 1):
        return result
    return {"payload": result}
