"""Makes a route ready: imports its function, predicts the sample of its model, and learns from both what it can do."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainyard.contract import confinement, drift
from trainyard.contract.installed_versions import difference
from trainyard.contract.message import Message
from trainyard.contract.routes import Route
from trainyard.contract.schema import Schema, check_rows, order_rows
from trainyard.errors import BadRequest, ModelUnavailable, TrainyardError
from trainyard.image.serve.prediction import surroundings
from trainyard.image.serve.prediction.opened_models import (
    Opened,
    ServedModel,
    compare_files,
    have_changed,
    recording,
    served_models,
)
from trainyard.image.serve.prediction.row_form import UNKNOWN, RowForm
from trainyard.image.serve.prediction.row_wise import Sharing, find_sharing
from trainyard.image.serve.prediction.samples import (
    FILE,
    MODELS,
    Sample,
    recorded_sample,
    recorded_schema,
    shipped_sample,
)
from trainyard.image.serve.prediction.surroundings import Surroundings
from trainyard.image.serve.shared import forks
from trainyard.image.user_code import (
    MODEL_NAME_HINT,
    UserFunction,
    missing_below,
    missing_model_name,
    resolve,
    route_target,
)
from trainyard.settings.image import served_model_name

LOG = logging.getLogger("trainyard.serve")

Answer = dict[str, Any]  # {"payload": ...}


class NotADict(Exception):
    """A predict function returned something else than a dict."""


@dataclass
class Loaded:
    """What there is of a route in this process. ``reason`` says why it is not ready; without a function it is 503."""

    reason: str = ""
    sources: Path = Path()
    around: Surroundings | None = None  # the function, where its module has changed that
    function: UserFunction | None = None
    models: tuple[ServedModel, ...] = ()
    warning: str = ""  # of a model that is served all the same
    opened: frozenset[str] = frozenset()  # files below models/
    sharing: Sharing | None = None  # which requests may share a call; None where not row-wise
    schema: Schema | None = None
    form: RowForm = UNKNOWN
    checked: Schema | None = None  # that rows are checked by here, since the function has no encoder that does it
    sample_rows: list[Any] = field(default_factory=list)
    sample_answer: dict[str, Any] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()  # that the function has answered
    is_plain: bool = False  # nothing but its rows is in the sample
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
            payload = message["payload"]
            payload["instances"] = check_rows(self.checked, payload["instances"])
        if self.around is not None:
            self.around.restore()
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
            forks.leave_if_child(error.code)
            raise RuntimeError(f"the predict function calls sys.exit({error.code!r})") from error
        except BaseException as error:  # like SystemExit it would end the worker, and every other request in it
            raise RuntimeError(f"the predict function raises {type(error).__name__}") from error
        finally:
            if surroundings.changed:
                surroundings.come_back()
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
    """Import the route's function and predict its model's samples, so that the first request is as quick as any."""
    loaded = Loaded(sources=sources)
    surroundings.begin()
    with recording(MODELS) as opened, drift.watching() as watch:
        try:
            compare_files(MODELS, route.model_name or served_model_name())
            loaded.function = resolve(route_target(route), sources)
            loaded.around = surroundings.left()
            surroundings.come_back()
            loaded.reason = _warm_up(route, loaded, opened)
        except TrainyardError as error:
            surroundings.come_back()
            loaded.reason = str(error)
    loaded.opened = frozenset(opened)
    try:
        loaded.models = served_models(MODELS, opened)
        if len(loaded.models) == 1:
            loaded.schema = Schema.from_record(loaded.models[0].record)
    except TrainyardError as error:
        loaded.reason = loaded.reason or str(error)
    if have_changed(MODELS, opened):  # so nobody knows which version this is
        loaded.reason = loaded.reason or "its files changed while they were loaded: they are loaded again"
    others = [
        f"{model.name} was trained with {found}" for model in loaded.models if (found := difference(model.record))
    ]
    loaded.warning = "; ".join(others)
    if loaded.sample_answer and not watch.encoded:
        loaded.checked = loaded.schema
    loaded.form = RowForm.of(loaded.schema, loaded.sample_rows)
    if batch and not loaded.reason and loaded.is_plain:
        with drift.watching():
            loaded.sharing = find_sharing(
                loaded.timed_payload, loaded.sample_rows, loaded.schema, encodes=watch.encoded
            )
        LOG.debug("route /%s: requests are predicted %s", route.path, "together" if loaded.sharing else "alone")
    return loaded


def _warm_up(route: Route, loaded: Loaded, opened: Opened) -> str:
    """Predict the sample beside the function, then that of the model's record. Returns why one fails."""
    started = time.monotonic()
    shown = FILE
    try:
        if sample := shipped_sample(route, loaded.function):
            _predict_sample(loaded, sample, opened)
        shown = "in its record"
        if sample := recorded_sample(opened, loaded.function):
            _predict_sample(loaded, sample, opened)
    except Exception as error:  # noqa: BLE001 -- of the user's function: the route says it, and the others go on
        return failure(route, shown, error)
    if loaded.samples:
        LOG.info("route /%s is warm (%.2f s)", route.path, time.monotonic() - started)
    return ""


def failure(route: Route, shown: str, error: Exception) -> str:
    """Why a route is not ready whose sample failed; what the caller of a request would not be shown is logged."""
    if isinstance(error, TrainyardError):
        return f"its sample {shown} fails: {error}"
    LOG.warning("route /%s: its sample %s fails", route.path, shown, exc_info=error)
    more = confinement.hint(error) or "see the log"
    return f"its sample {shown} fails: {type(error).__name__}, {more}"


def _predict_sample(loaded: Loaded, sample: Sample, opened: Opened) -> None:
    """By the first of its meanings that the function answers.

    Which model a function opens is known once it was called, and then whether that has a schema.
    """
    known, first = bool(opened), None
    for _ in range(2):
        schema = recorded_schema(opened, loaded.function)
        for message in sample.messages(schema):
            try:
                _answer_sample(loaded, sample, message, schema)
            except Exception as error:  # noqa: BLE001 -- of the user's function; raised below, unless there is another way
                first = first or error
            else:
                return
        if known or not opened:
            break
    assert first
    raise first


def _answer_sample(loaded: Loaded, sample: Sample, message: Message, schema: Schema | None) -> None:
    payload = message["payload"]
    if schema and isinstance(payload["instances"][0], dict):
        payload["instances"] = order_rows(schema, payload["instances"])
    rows = copy.deepcopy(payload["instances"])  # a function may change what it is given
    is_plain = len(message) == 1 and len(payload) == 1
    answer = unwrapped(loaded.call(message))
    predictions: Any = answer.get("predictions")
    if sample.is_bare and len(rows) > 1 and hasattr(predictions, "__len__") and len(predictions) != len(rows):
        raise BadRequest(f"{len(rows)} rows of one value are answered by {len(predictions)} predictions")
    loaded.sample_rows, loaded.sample_answer, loaded.is_plain = rows, answer, is_plain
    loaded.samples = (*loaded.samples, sample)


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
