"""The queue of one route: predicts what waits together, at once where that is quick, else in threads.

Natural batching: nothing waits for a batch to fill. What arrived while a prediction ran is answered by the next call.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from trainyard.serve.dialects.dialect import Written
from trainyard.serve.http.request import Request
from trainyard.serve.prediction.endpoint import Answer, Endpoint

BATCH_REQUESTS = 128
BATCH_BYTES = 1 << 16  # of bodies: what one call is given must not keep others waiting
INLINE_BYTES = 1 << 17
INLINE_SECONDS = 0.005  # a call that takes longer belongs into a thread, where it keeps nobody else waiting
TRUSTED_CALLS = 3  # quick ones in a row, before a route's calls are made in the event loop

Answered = list[tuple[Request, Written | Exception]]


class NotJson(Exception):
    """A predict function returned something that JSON cannot say."""


@dataclass(slots=True)
class _Pace:
    """Whether calls are quick: one that is not is remembered for a while."""

    quick_calls: int = 0

    def note(self, seconds: float) -> None:
        self.quick_calls = self.quick_calls + 1 if seconds < INLINE_SECONDS else -10 * TRUSTED_CALLS

    @property
    def is_quick(self) -> bool:
        return self.quick_calls >= TRUSTED_CALLS


class RouteQueue:
    """What waits for one endpoint. Used by the event loop alone, but for ``predict``."""

    def __init__(self, endpoint: Endpoint, threads: int) -> None:
        """``threads``: predictions that may run at once, where they run in threads."""
        self.endpoint = endpoint
        self.waiting: deque[Request] = deque()
        self.running = 0
        self._threads = 1 if endpoint.is_row_wise else threads
        self._pace = _Pace()
        for seconds in endpoint.warm_seconds:
            self._pace.note(seconds)

    @property
    def inline(self) -> bool:
        """Whether the next batch may be predicted in the event loop."""
        return self._pace.is_quick and not self.running and len(self.waiting[0].body) <= INLINE_BYTES

    @property
    def has_room(self) -> bool:
        """Whether another thread may predict for this route."""
        return self.running < self._threads

    def take(self) -> list[Request]:
        """The requests of the next call."""
        if not self.endpoint.is_row_wise:
            return [self.waiting.popleft()]
        batch = [self.waiting.popleft()]
        size = len(batch[0].body)
        while self.waiting and len(batch) < BATCH_REQUESTS:
            size += len(self.waiting[0].body)
            if size > BATCH_BYTES:
                break
            batch.append(self.waiting.popleft())
        return batch

    def predict(self, batch: list[Request]) -> Answered:
        """The answers to ``batch``, in its order; an exception is that request's own."""
        started = time.perf_counter()
        answers: dict[int, Written | Exception] = {}
        numbers, messages = [], []
        for number, request in enumerate(batch):
            try:
                messages.append(request.dialect.read(request))
                numbers.append(number)
            except Exception as error:  # noqa: BLE001 -- becomes this request's answer
                answers[number] = error
        for number, answer in zip(numbers, self.endpoint.answer_all(messages), strict=True):
            answers[number] = answer if isinstance(answer, Exception) else self._write(answer, batch[number])
        self._pace.note(time.perf_counter() - started)
        return [(request, answers[number]) for number, request in enumerate(batch)]

    def _write(self, answer: Answer, request: Request) -> Written | Exception:
        try:
            written: Written = request.dialect.write(answer, request)
        except TypeError as error:
            route = self.endpoint.route
            failure = NotJson(f"{route.module}.{route.function} returned what JSON cannot say: {error}")
            failure.__cause__ = error
            return failure
        except Exception as error:  # noqa: BLE001 -- becomes this request's answer
            return error
        return written
