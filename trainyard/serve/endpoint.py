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
from trainyard.resolve import (
    MODEL_NAME_HINT,
    UserFunction,
    missing_below,
    missing_model_name,
    resolve,
    route_target,
)
from trainyard.routes import Route
from trainyard.serve.codec import JSON
from trainyard.serve.message_body import read_message

LOG = logging.getLogger("trainyard.serve")
RETRY_SECONDS = 1.0  # between two attempts to import a module that wants its model at import
SAMPLE = "test/test_instances.json"


class NotJson(Exception):
    """A predict function returned something that JSON cannot say."""


class NotADict(NotJson):
    """A predict function returned something else than a dict."""


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
            NotJson: its result is no dict, or cannot be written.
            Exception: whatever the function raises; RuntimeError for what is no Exception.
        """
        result = self._call(message)
        if not isinstance(result, dict):
            raise NotADict(f"{self.route.function} returned {_kind(result)}, not a dict")
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

    def _call(self, message: Message) -> Any:
        try:
            return self._ready()(message)
        except FileNotFoundError as error:
            # Historical functions open their binary by themselves.
            if missing := missing_below(error, self._sources, ("models",)):
                raise ModelUnavailable(f"{missing}: no such file", "run make train") from error
            raise
        except KeyError as error:
            if variable := missing_model_name(error):
                raise ModelUnavailable(f"{variable} is not set", MODEL_NAME_HINT) from error
            raise
        except Exception:
            raise
        except SystemExit as error:
            raise RuntimeError(f"the predict function calls sys.exit({error.code!r})") from error
        except BaseException as error:  # like SystemExit it would end the worker, and every other request in it
            raise RuntimeError(f"the predict function raises {type(error).__name__}") from error

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


def _kind(result: Any) -> str:
    """``None``, ``a list``, ``an ndarray``."""
    name = type(result).__name__
    return "None" if result is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _wrapped(result: dict[Any, Any]) -> dict[str, Any]:
    """``{"payload": result}``; historical functions wrap it themselves."""
    if "payload" in result and (isinstance(result, Message) or len(result) == 1):
        return result
    return {"payload": result}
