"""Makes a route ready: imports its function, predicts the sample of its model, and learns from both what it can do."""

from __future__ import annotations

import copy
import logging
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainyard import confinement, drift
from trainyard.errors import ModelUnavailable, TrainyardError
from trainyard.message import Message
from trainyard.packages import difference
from trainyard.records import binary_path, read_record
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
from trainyard.serve.prediction.opened_models import (
    Opened,
    ServedModel,
    have_changed,
    model_names,
    recording,
    served_models,
)
from trainyard.serve.prediction.row_wise import find_row_keys
from trainyard.serve.prediction.schema import Schema, check_rows
from trainyard.settings import served_model_name

LOG = logging.getLogger("trainyard.serve")
SAMPLE = "test/test_instances.json"
MODELS = Path("models")

Answer = dict[str, Any]  # {"payload": ...}


class NotADict(Exception):
    """A predict function returned something else than a dict."""


@dataclass
class Loaded:
    """What there is of a route in this process. ``reason`` says why it is not ready; without a function it is 503."""

    reason: str = ""
    sources: Path = Path()
    function: UserFunction | None = None
    models: tuple[ServedModel, ...] = ()
    warning: str = ""  # of a model that is served all the same
    opened: frozenset[str] = frozenset()  # files below models/
    row_keys: frozenset[str] = frozenset()  # of the answer: what holds an item per row; empty where not row-wise
    schema: Schema | None = None
    checked: Schema | None = None  # that rows are checked by here, since the function has no encoder that does it
    sample_rows: list[Any] = field(default_factory=list)
    sample_answer: dict[str, Any] = field(default_factory=dict)
    warm_seconds: list[float] = field(default_factory=list)

    def call(self, message: Message) -> Answer:
        """What the function returns.

        Raises:
            ModelUnavailable: there is no function, or it finds no model.
            NotADict: it is no dict.
            Exception: whatever the function raises; RuntimeError for what is no Exception.
        """
        if self.function is None:
            # A new one each time: a raised exception collects the traceback of every request.
            raise ModelUnavailable(self.reason)
        if self.checked is not None:
            check_rows(self.checked, message["payload"]["instances"])
        try:
            result = self.function(message)
        except FileNotFoundError as error:
            # Historical functions open their binary by themselves.
            if missing := missing_below(error, self.sources, ("models",)):
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
        if not isinstance(result, dict):
            raise NotADict(f"{self.function.__name__} returned {_kind(result)}, not a dict")
        return result

    def timed_payload(self, rows: list[Any]) -> Answer:
        """The answer to ``rows``; how long it took is kept."""
        started = time.perf_counter()
        result = unwrapped(self.call(Message(payload={"instances": rows})))
        self.warm_seconds.append(time.perf_counter() - started)
        return result


def load(route: Route, sources: Path, *, batch: bool) -> Loaded:
    """Import the route's function and predict the sample of its model, so that the first request is as quick as any."""
    loaded = Loaded(sources=sources)
    with recording(MODELS) as opened, drift.watching() as watch:
        try:
            loaded.function = resolve(route_target(route), sources)
            loaded.reason = _warm_up(route, loaded, opened, batch=batch)
        except TrainyardError as error:
            loaded.reason = str(error)
    loaded.opened = frozenset(opened)
    try:
        loaded.models = served_models(MODELS, opened)
    except TrainyardError as error:
        loaded.reason = loaded.reason or str(error)
    if have_changed(MODELS, opened):  # so nobody knows which version this is
        loaded.reason = loaded.reason or "its files changed while they were loaded: they are loaded again"
    others = [
        f"{model.name} was trained with {found}" for model in loaded.models if (found := difference(model.record))
    ]
    loaded.warning = "; ".join(others)
    if len(loaded.models) == 1:
        loaded.schema = Schema.from_record(loaded.models[0].record)
    if loaded.sample_answer and not watch.encoded:
        loaded.checked = loaded.schema
    return loaded


def _warm_up(route: Route, loaded: Loaded, opened: Opened, *, batch: bool) -> str:
    """Predict the sample beside the function, then that of the model's record. Returns why one fails."""
    started = time.monotonic()
    shown = SAMPLE
    try:
        message = _shipped_sample(route, loaded.function)
        _predict_sample(loaded, message)
        shown = "in its record"
        recorded = _recorded_sample(opened)
        _predict_sample(loaded, recorded)
        message = recorded or message
    except Exception as error:
        if isinstance(error, TrainyardError):
            return f"its sample {shown} fails: {error}"
        LOG.warning("route /%s: its sample %s fails", route.path, shown, exc_info=error)
        more = confinement.hint(error) or "see the log"
        return f"its sample {shown} fails: {type(error).__name__}, {more}"
    if not message:
        return ""
    LOG.info("route /%s is warm (%.2f s)", route.path, time.monotonic() - started)
    if batch and len(message) == 1 and len(message["payload"]) == 1:
        loaded.row_keys = find_row_keys(loaded.timed_payload, message["payload"]["instances"])
        LOG.debug("route /%s: requests are predicted %s", route.path, "together" if loaded.row_keys else "alone")
    return ""


def _predict_sample(loaded: Loaded, message: Message | None) -> None:
    if message:
        loaded.sample_rows = copy.deepcopy(message["payload"]["instances"])  # a function may change what it is given
        loaded.sample_answer = unwrapped(loaded.call(message))


def _shipped_sample(route: Route, function: UserFunction | None) -> Message | None:
    file = _sample_file(route, function)
    return read_message(file.read_bytes()) if file and file.is_file() else None


def _sample_file(route: Route, function: UserFunction | None) -> Path | None:
    """Beside the module that defines the function, which a generated module only imports."""
    module = sys.modules.get(getattr(function, "__module__", None) or route.module)
    file = getattr(module, "__file__", None)
    return Path(file).parent / SAMPLE if file else None


def _recorded_sample(opened: Opened) -> Message | None:
    """What training recorded of the one model that was opened, or of the one that this image serves."""
    name = served_model_name()
    names = model_names(opened) or ({name} if name else set())
    if len(names) != 1:
        return None
    sample = (read_record(binary_path(MODELS, names.pop())) or {}).get("sample")
    instances = sample.get("instances") if isinstance(sample, dict) else None
    return Message(payload={"instances": instances}) if isinstance(instances, list) and instances else None


def unwrapped(result: Answer) -> Answer:
    """What is below ``payload``."""
    payload = wrapped(result)["payload"]
    return payload if isinstance(payload, dict) else {}


def wrapped(result: Answer) -> Answer:
    """``{"payload": result}``; historical functions wrap it themselves."""
    if "payload" in result and (isinstance(result, Message) or len(result) == 1):
        return result
    return {"payload": result}


def _kind(result: Any) -> str:
    """``None``, ``a list``, ``an ndarray``."""
    name = type(result).__name__
    return "None" if result is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
