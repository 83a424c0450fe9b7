"""One route: finds its function when the worker starts, calls it, and writes its result as JSON."""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

from trainyard import drift
from trainyard.errors import BadRequest, ModelUnavailable, TrainyardError
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
from trainyard.serve.prediction.message_body import read_message
from trainyard.serve.prediction.opened_models import ServedModel, recording, served_models
from trainyard.serve.prediction.row_wise import find_row_keys, split
from trainyard.serve.prediction.schema import Schema, check_rows

LOG = logging.getLogger("trainyard.serve")
RETRY_SECONDS = 1.0  # between two attempts to import a module that wants its model at import
SAMPLE = "test/test_instances.json"
MODELS = Path("models")


Answer = dict[str, Any]  # {"payload": ...}


class NotADict(Exception):
    """A predict function returned something else than a dict."""


class Endpoint:
    """``POST /<route>``: from a message to the bytes of the answer."""

    def __init__(self, route: Route, sources: Path, *, batch: bool = True) -> None:
        """``batch``: predict requests together, where the sample shows that each row is answered by itself."""
        self.route = route
        self.models: tuple[ServedModel, ...] = ()  # that its function opened while it was loaded and warmed up
        self.opened: frozenset[str] = frozenset()  # files below models/
        self.warm_seconds: list[float] = []  # what each call cost that was made with the sample
        self.schema: Schema | None = None  # of the rows, where it answers by one model whose record says it
        self._checked: Schema | None = None  # that its rows are checked by, since no encoder does it
        self._batch = batch
        self._row_keys: frozenset[str] = frozenset()
        self._sources = sources
        self._function: UserFunction | None = None
        self._failure: TrainyardError | None = None
        self._retry_at = 0.0
        self._lock = threading.Lock()

    def load(self) -> None:
        """Import the function; a failure is logged and kept, and answers every request until it is mended."""
        try:
            with recording(MODELS) as opened:
                self._function = resolve(route_target(self.route), self._sources)
            self._note_opened(opened)
            self._failure = None
        except TrainyardError as error:
            if str(error) != str(self._failure):
                LOG.error("route /%s answers 503: %s", self.route.path, error)
            self._failure = error
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def answer(self, message: Message) -> Answer:
        """The answer to ``message``: ``{"payload": ...}``.

        Raises:
            TrainyardError: the function refuses the request, or its model or module is not there.
            NotADict: its result is no dict.
            Exception: whatever the function raises; RuntimeError for what is no Exception.
        """
        return _wrapped(self._result(message))

    @property
    def is_row_wise(self) -> bool:
        """Whether each row's answer is the row's own, whatever it is predicted with."""
        return bool(self._row_keys)

    def answer_all(self, messages: list[Message]) -> list[Answer | Exception]:
        """The answers to several messages, by one call where they can be predicted together.

        An exception stands where ``answer`` would raise it.
        """
        together = self.is_row_wise and len(messages) > 1 and all(map(_only_instances, messages))
        if together:
            rows = [row for message in messages for row in message["payload"]["instances"]]
            sizes = [len(message["payload"]["instances"]) for message in messages]
            try:
                result = _unwrapped(self._result(Message(payload={"instances": rows})))
                return [{"payload": part} for part in split(result, self._row_keys, sizes)]
            except Exception as error:  # noqa: BLE001 -- of one of the messages: each shall get its own
                LOG.debug("route /%s: %d requests one by one after %r", self.route.path, len(messages), error)
        return [self._answer_or_error(message) for message in messages]

    def _answer_or_error(self, message: Message) -> Answer | Exception:
        try:
            return self.answer(message)
        except Exception as error:  # noqa: BLE001 -- becomes the answer
            return error

    def _result(self, message: Message) -> Answer:
        if self._checked is not None:
            check_rows(self._checked, message["payload"]["instances"])
        result = self._call(message)
        if not isinstance(result, dict):
            raise NotADict(f"{self.route.function} returned {_kind(result)}, not a dict")
        return result

    def warm_up(self) -> None:
        """Predict the model's own sample, if it has one: the first prediction is the slow one."""
        with drift.watching() as watch:
            is_warm = self._predict_sample()
        self._checked = self.schema if is_warm and not watch.encoded else None

    def _predict_sample(self) -> bool:
        """Whether there is a sample, and it was predicted."""
        sample = self._sample()
        if not sample or not sample.is_file():
            return False
        started = time.monotonic()
        try:
            message = read_message(sample.read_bytes())
            with recording(MODELS) as opened:
                self.answer(message)
            self._note_opened(opened)
        except Exception as error:  # noqa: BLE001 -- the user's function; the server starts all the same
            LOG.warning("route /%s: its sample %s fails: %s: %s", self.route.path, sample, type(error).__name__, error)
            return False
        LOG.info("route /%s is warm (%.2f s)", self.route.path, time.monotonic() - started)
        if self._batch and _only_instances(message):
            self._row_keys = find_row_keys(self._timed_result, message["payload"]["instances"])
            LOG.debug(
                "route /%s: requests are predicted %s", self.route.path, "together" if self._row_keys else "alone"
            )
        return True

    @property
    def problem(self) -> str:
        """Why its function could not be loaded; empty where it was."""
        return str(self._failure or "")

    def sample_rows(self) -> list[Any]:
        """Rows to try it with: the model's recorded ones, or those of its test request; empty where there are none."""
        recorded = self.models[0].record.get("sample") if len(self.models) == 1 else None
        rows = recorded.get("instances") if isinstance(recorded, dict) else None
        if isinstance(rows, list) and rows:
            return rows
        try:
            path = self._sample()
            return list(read_message(path.read_bytes())["payload"]["instances"]) if path else []
        except (OSError, BadRequest):
            return []

    def _note_opened(self, opened: set[str]) -> None:
        self.opened |= opened
        self.models = served_models(MODELS, set(self.opened))
        self.schema = Schema.from_record(self.models[0].record) if len(self.models) == 1 else None

    def _timed_result(self, rows: list[Any]) -> dict[str, Any]:
        started = time.perf_counter()
        result = _unwrapped(self._result(Message(payload={"instances": rows})))
        self.warm_seconds.append(time.perf_counter() - started)
        return result

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


def _only_instances(message: Message) -> bool:
    """Whether nothing but its rows tells this message from another."""
    return len(message) == 1 and len(message["payload"]) == 1


def _unwrapped(result: Answer) -> Answer:
    """What is below ``payload``."""
    payload = _wrapped(result)["payload"]
    return payload if isinstance(payload, dict) else {}


def _wrapped(result: Answer) -> Answer:
    """``{"payload": result}``; historical functions wrap it themselves."""
    if "payload" in result and (isinstance(result, Message) or len(result) == 1):
        return result
    return {"payload": result}
