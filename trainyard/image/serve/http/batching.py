"""The queue of one route: predicts what waits together, at once where that is quick, else in threads.

Natural batching: nothing waits for a batch to fill. What arrived while a prediction ran is answered by the next call.
A request that would wait too long is not let in (Little's law: what waits before it, times what each takes).
"""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from trainyard.contract import drift
from trainyard.errors import TrainyardError
from trainyard.image.serve.content_encoding import CONTENT_ENCODING, UnpacksTooLarge, unpack
from trainyard.image.serve.dialect import Written
from trainyard.image.serve.prediction.endpoint import Answer, Endpoint
from trainyard.image.serve.request import Request
from trainyard.image.serve.shared import forks
from trainyard.image.serve.shared.meters import RouteMeter
from trainyard.image.serve.shared.outages import Outage

BATCH_REQUESTS = 128
BATCH_BYTES = 1 << 16  # of bodies: what one call is given must not keep others waiting
INLINE_BYTES = 1 << 17
INLINE_SECONDS = 0.005  # a call that takes longer belongs into a thread, where it keeps nobody else waiting
TRUSTED_CALLS = 3  # quick ones in a row, before a route's calls are made in the event loop
SMOOTHING = 0.2  # weight of the newest call in what a request is expected to take

_predicting = threading.local()  # ``meter``: of the route that a thread predicts for

Answered = list[tuple[Request, Written | Exception]]


class NotJson(Exception):
    """A predict function returned something that JSON cannot say."""


class Overloaded(TrainyardError):
    """More than can be answered in time; HTTP 503. ``retry_after``: seconds after which it is worth trying again."""

    http_status = 503

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, "try again later, or run more workers")
        self.retry_after = max(1, math.ceil(retry_after))


@dataclass(slots=True)
class _Pace:
    """What calls take: whether they are quick (one that is not is remembered for a while), and seconds a request."""

    quick_calls: int = 0
    seconds: float = 0.0

    def note(self, seconds: float, requests: int) -> None:
        self.quick_calls = self.quick_calls + 1 if seconds < INLINE_SECONDS else -10 * TRUSTED_CALLS
        self.seconds += (seconds / requests - self.seconds) * SMOOTHING

    @property
    def is_quick(self) -> bool:
        return self.quick_calls >= TRUSTED_CALLS


@dataclass(eq=False, slots=True)
class Batch:
    """Requests that are predicted by one call; ``began`` on the monotonic clock."""

    requests: list[Request]
    began: float
    rows: int = 0
    seconds: float = 0.0
    answered: Answered = field(default_factory=list)


class RouteQueue:
    """What waits for one endpoint. Used by the event loop alone, but for ``predict``."""

    def __init__(self, endpoint: Endpoint, threads: int, max_wait: float, meter: RouteMeter, outage: Outage) -> None:
        """
        Args:
            endpoint: answers.
            threads: predictions that may run at once, where they run in threads.
            max_wait: seconds that a request may be expected to wait for its turn.
            meter: counts.
            outage: says whether the route is out of service.
        """
        self.endpoint = endpoint
        self.meter = meter
        self.waiting: deque[Request] = deque()
        self.running: list[Batch] = []  # in threads
        self.version_line = f"X-Model-Version: {endpoint.version}\r\n" if endpoint.version else ""
        self._max_wait = max_wait
        self._outage = outage
        self._threads = 1 if endpoint.is_row_wise else threads
        self._pace = _Pace(seconds=statistics.median(endpoint.warm_seconds) if endpoint.warm_seconds else 0.0)
        for seconds in endpoint.warm_seconds:
            self._pace.note(seconds, 1)

    def add(self, request: Request) -> None:
        """Let a request wait for its turn.

        Raises:
            Overloaded: its turn would come too late, or the route is out of service.
            TrainyardError: its body cannot be unpacked.
        """
        if left := self._outage.seconds_left:
            raise Overloaded(self._outage.reason, left)
        wait = len(self.waiting) * self._pace.seconds / self._threads
        if wait > self._max_wait:
            raise Overloaded(
                f"/{self.endpoint.route.path} is overloaded: {len(self.waiting)} requests wait for {wait:.1f} s", wait
            )
        request.size = _packed_size(request) if CONTENT_ENCODING in request.headers else len(request.body)
        self.waiting.append(request)

    @property
    def inline(self) -> bool:
        """Whether the next batch may be predicted in the event loop."""
        return self._pace.is_quick and not self.running and self.waiting[0].size <= INLINE_BYTES

    @property
    def has_room(self) -> bool:
        """Whether another thread may predict for this route."""
        return len(self.running) < self._threads

    def take(self) -> Batch:
        """The requests of the next call, which counts as begun."""
        first = self.waiting.popleft()
        batch = [first]
        if self.endpoint.is_row_wise:
            size = first.size
            while self.waiting and len(batch) < BATCH_REQUESTS:
                size += self.waiting[0].size
                if size > BATCH_BYTES:
                    break
                batch.append(self.waiting.popleft())
        self.meter.began(len(batch))
        return Batch(batch, time.monotonic())

    def predict(self, batch: Batch) -> Batch:
        """Fill in the answers to ``batch``, in its order; an exception is that request's own."""
        _predicting.meter = self.meter
        answers: dict[int, Written | Exception] = {}
        numbers, messages = [], []
        for number, request in enumerate(batch.requests):
            try:
                message = request.dialect.read(request)
                messages.append(message)
                numbers.append(number)
                batch.rows += len(message["payload"]["instances"])
            except TrainyardError as error:
                answers[number] = _without_frames(error)
            except Exception as error:  # noqa: BLE001 -- becomes this request's answer
                answers[number] = error
        for number, answer in zip(numbers, self.endpoint.answer_all(messages), strict=True):
            answers[number] = answer if isinstance(answer, Exception) else self._write(answer, batch.requests[number])
        forks.leave_if_child()
        batch.answered = [(request, answers[number]) for number, request in enumerate(batch.requests)]
        batch.seconds = time.monotonic() - batch.began
        return batch

    def end(self, batch: Batch) -> None:
        """Note what the call has taken, before its answers are sent."""
        self._pace.note(batch.seconds, len(batch.requests))
        self.meter.ended(batch.rows)

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


def _without_frames(error: TrainyardError) -> TrainyardError:
    """The error as an answer: frames that hold the body and the error itself are freed only by a garbage collection."""
    error.__traceback__ = error.__context__ = None
    return error


def _packed_size(request: Request) -> int:
    """The size of a compressed body, which is unpacked here where that is quick; a thread unpacks a larger one."""
    if len(request.body) <= INLINE_BYTES:
        with contextlib.suppress(UnpacksTooLarge):
            unpack(request, INLINE_BYTES)
            return len(request.body)
    return INLINE_BYTES + 1


def count_drift() -> None:
    """Count what encoders note under the route that they encode for."""
    drift.set_sink(lambda column, values: _predicting.meter.drifted(column, values))
