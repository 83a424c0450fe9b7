"""One route: its function, how it is called, and the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainyard.contract import drift
from trainyard.contract.message import Message
from trainyard.contract.routes import Route
from trainyard.contract.schema import Schema
from trainyard.image.serve.prediction.loading import Answer, Loaded, NotADict, failure, load, unwrapped, wrapped
from trainyard.image.serve.prediction.opened_models import ServedModel, model_names
from trainyard.image.serve.prediction.row_form import RowForm
from trainyard.image.serve.prediction.row_wise import split

LOG = logging.getLogger("trainyard.serve")

__all__ = ["Answer", "Endpoint", "NotADict"]


class Endpoint:
    """``POST /<route>``: from a message to the answer."""

    def __init__(
        self, route: Route, sources: Path, *, batch: bool = True,
        rehearse: Callable[[Endpoint, bytes], None] | None = None,
    ) -> None:  # fmt: skip
        """
        Args:
            route: from ``.s2i/environment``.
            sources: the folder that its module lies in.
            batch: predict requests together, where the sample shows that each row is answered by itself.
            rehearse: takes the body of a sample through all that a request goes through; whatever it raises, a request
                would be answered with.
        """
        self.route = route
        self._sources = sources
        self._batch = batch
        self._rehearse = rehearse
        self._loaded = Loaded(reason=f"/{route.path} is not loaded")

    # -- what is served -----------------------------------------------------------------------------------------

    def load(self) -> None:
        """Import the function and predict its sample. What fails is logged and kept, and answers every request."""
        self._load()
        if self._loaded.function is None:
            LOG.error("route /%s answers 503: %s", self.route.path, self._loaded.reason)
        elif self._loaded.reason:
            LOG.warning("route /%s is not ready: %s", self.route.path, self._loaded.reason)

    def renew(self) -> str:
        """Load again, and go on with what was there if that was ready and the new is not: then, why it is not."""
        before = self._loaded
        self._load()
        reason = self._loaded.reason
        if reason and not before.reason:
            self._loaded = before
            return reason
        return ""

    def _load(self) -> None:
        """A route is ready if a request like its samples would be answered."""
        self._loaded = loaded = load(self.route, self._sources, batch=self._batch)
        if self._rehearse is None or loaded.reason:
            return
        for sample in loaded.samples:
            try:
                with drift.watching():  # this is nobody's traffic
                    self._rehearse(self, sample.body)
            except Exception as error:  # noqa: BLE001 -- is what every request would be answered with
                loaded.reason = failure(self.route, sample.where, error)

    def take_out(self, reason: str) -> None:
        """Answer 503 without loading anything."""
        self._loaded = Loaded(reason=reason)

    def is_stale(self, changed: set[str]) -> bool:
        """Whether files below ``models/`` that have ``changed`` may matter to it."""
        loaded = self._loaded
        if loaded.reason or not loaded.opened:
            return True
        return bool(model_names(changed) & model_names(loaded.opened))

    @property
    def reason(self) -> str:
        """Why the route is not ready; empty where its model is loaded and its sample has been predicted."""
        return self._loaded.reason

    @property
    def warning(self) -> str:
        """What is wrong with its models although they are served."""
        return self._loaded.warning

    @property
    def sample_answer(self) -> dict[str, Any]:
        """The payload that its sample was answered with; empty where it has no sample."""
        return self._loaded.sample_answer

    @property
    def sample_rows(self) -> list[Any]:
        """Rows to try it with: the model's recorded ones, or those of its test request; empty where there are none."""
        return self._loaded.sample_rows

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """The models that it answers by."""
        return self._loaded.models

    @property
    def version(self) -> str:
        """The versions of its models; empty where it has none."""
        return "+".join(model.version for model in self._loaded.models)

    @property
    def schema(self) -> Schema | None:
        """What the rows look like, where the route answers by one model whose record says it."""
        return self._loaded.schema

    @property
    def warm_seconds(self) -> list[float]:
        """What each call took that was made with the sample."""
        return self._loaded.warm_seconds

    @property
    def form(self) -> RowForm:
        """What its rows look like, as far as that is known."""
        return self._loaded.form

    @property
    def is_row_wise(self) -> bool:
        """Whether each row's answer is the row's own, if it is predicted with rows like it."""
        return self._loaded.sharing is not None

    # -- answering ----------------------------------------------------------------------------------------------

    def answer(self, message: Message) -> Answer:
        """The answer to ``message``: ``{"payload": ...}``.

        Raises:
            TrainyardError: the function refuses the request, or its model or module is not there.
            NotADict: its result is no dict.
            Exception: whatever the function raises; RuntimeError for what is no Exception.
        """
        return wrapped(self._loaded.call(message))

    def answer_all(self, messages: list[Message]) -> list[Answer | Exception]:
        """The answers to several messages, by one call where they can be predicted together.

        An exception stands where ``answer`` would raise it.
        """
        together = self._may_share(messages) if self._loaded.sharing and len(messages) > 1 else []
        if len(together) < 2:
            return [self._answer_or_error(message) for message in messages]
        if len(together) == len(messages):
            return self._answer_together(messages)
        shared = dict(zip(together, self._answer_together([messages[number] for number in together]), strict=True))
        return [
            shared[number] if number in shared else self._answer_or_error(message)
            for number, message in enumerate(messages)
        ]

    def _may_share(self, messages: list[Message]) -> list[int]:
        """The numbers of those whose answers are the same, to the last bit or nearly, if one call gives them."""
        sharing = self._loaded.sharing
        assert sharing
        plain = [number for number, message in enumerate(messages) if only_instances(message)]
        if sharing.admits_all or sharing.admits([row for number in plain for row in _rows(messages[number])]):
            return plain
        return [number for number in plain if sharing.admits(_rows(messages[number]))]

    def _answer_together(self, messages: list[Message]) -> list[Answer | Exception]:
        sharing = self._loaded.sharing
        assert sharing
        rows = [row for message in messages for row in _rows(message)]
        sizes = [len(_rows(message)) for message in messages]
        try:
            result = unwrapped(self._loaded.call(Message(payload={"instances": rows})))
            return [{"payload": part} for part in split(result, sharing.row_keys, sizes)]
        except Exception as error:  # noqa: BLE001 -- of one of the messages: each shall get its own
            LOG.debug("route /%s: %d requests one by one after %r", self.route.path, len(messages), error)
        return [self._answer_or_error(message) for message in messages]

    def _answer_or_error(self, message: Message) -> Answer | Exception:
        try:
            return self.answer(message)
        except Exception as error:  # noqa: BLE001 -- becomes the answer
            return error


def _rows(message: Message) -> list[Any]:
    rows: list[Any] = message["payload"]["instances"]
    return rows


def only_instances(message: Message) -> bool:
    """Whether nothing but its rows tells this message from another."""
    return len(message) == 1 and len(message["payload"]) == 1
