"""What happens to a request once it has arrived: a queue, a prediction, an answer; or a page."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from trainyard.errors import TrainyardError
from trainyard.image.serve.application import REQUEST_ID, Application
from trainyard.image.serve.dialect import Dialect
from trainyard.image.serve.error_answers import Failed
from trainyard.image.serve.http.access_log import AccessLog
from trainyard.image.serve.http.batching import Batch, Overloaded, RouteQueue, count_drift
from trainyard.image.serve.http.request_target import EVERYTHING, METHODS
from trainyard.image.serve.http.router import Router
from trainyard.image.serve.http.wsgi import call_wsgi
from trainyard.image.serve.pages.peer_facts import NOBODY, OTHERS, PeerFacts
from trainyard.image.serve.request import JSON_TYPE, Failure, Request, answer_bytes
from trainyard.image.serve.shared.board import Row
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.meters import PAGES, RouteMeter
from trainyard.image.serve.shared.outages import Outage

Send = Callable[[Request, int, bytes, str, str], None]  # status, body, content type, further header lines


class Late(TrainyardError):
    """An answer that did not come within TIMEOUT; HTTP 504."""

    http_status = 504


class Dispatcher:
    """Of one worker. All of it runs in the event loop's thread, but for ``_in_thread``."""

    def __init__(
        self, application: Application, common: DaemonContext, row: Row, send: Send, wake: int,
        router: Router | None = None,
    ) -> None:  # fmt: skip
        """
        Args:
            application: what is served.
            common: settings, board.
            row: of this worker, on the board.
            send: sends the answer to a request.
            wake: end of a pipe; what is written to it ends the event loop's waiting.
            router: where others answer for the same port.
        """
        settings, board = common.settings, common.board
        self.stuck = False  # in a call that does not end
        self._application = application
        self._send = send
        self._wake = wake
        self._timeout = settings.timeout
        self._pages = RouteMeter(board, row, PAGES)
        self._access_log = AccessLog.of(settings)
        self._pool = ThreadPoolExecutor(settings.threads, "predict")
        self._queues = {
            endpoint: RouteQueue(
                endpoint, settings.threads, settings.max_wait, RouteMeter(board, row, endpoint.route.path),
                Outage(board, common.own, endpoint.route.path),
            )
            for endpoint in application.endpoints
        }  # fmt: skip
        self._posts = {
            path.encode() + slash: (self._queues[endpoint], dialect)
            for path, (endpoint, dialect) in application.posts.items()
            for slash in (b"", b"/")
        }
        count_drift()
        self._router = router
        self._touched: dict[RouteQueue, None] = {}  # with something new to do, in the order that it came
        self._done: deque[tuple[RouteQueue, Batch]] = deque()  # by the threads

    def work(self, now: float) -> None:
        """Answer what threads have predicted, and predict what waits."""
        self._deliver()
        if self._router:
            for request, facts in self._router.answered():
                self._render(request, facts)
        self._predict(now)
        if self._access_log:
            self._access_log.write()

    def on_request(self, request: Request) -> None:
        post = self._posts.get(request.path) if request.method == "POST" else None
        if post is None:
            self._other_request(request)
        else:
            self._enqueue(request, *post)

    def _other_request(self, request: Request) -> None:
        """What is not posted to a route's own path: another daemon's, a prediction in another dialect, or a page."""
        if request.path == EVERYTHING:
            self._answer(request, 200, b"", "text/plain", f"Allow: {METHODS}\r\n")
            return
        try:
            if self._router and self._router.takes(request):
                return
            found = self._application.others.find(request) if request.method == "POST" else None
        except TrainyardError as error:
            self.answer_error(request, error)
            return
        if found is None:
            self._page(request)
        else:
            endpoint, dialect = found
            self._enqueue(request, self._queues[endpoint], dialect)

    def _enqueue(self, request: Request, queue: RouteQueue, dialect: Dialect) -> None:
        request.dialect, request.meter, request.version_line = dialect, queue.meter, queue.version_line
        try:
            queue.add(request)
        except TrainyardError as error:
            self.answer_error(request, error)
        else:
            self._touched[queue] = None

    def _predict(self, now: float) -> None:
        """Predict what waits, until there is nothing left to do without waiting for a thread."""
        while self._touched:
            queue = next(iter(self._touched))
            self._refuse_late(queue, now)
            if queue.waiting and queue.inline:
                self._finish(queue, queue.predict(queue.take()))
            elif queue.waiting and queue.has_room:
                batch = queue.take()
                queue.running.append(batch)
                self._pool.submit(self._in_thread, queue, batch)
            else:
                del self._touched[queue]

    def _refuse_late(self, queue: RouteQueue, now: float) -> None:
        """Nobody waits for an answer that comes later than TIMEOUT."""
        while self._timeout and queue.waiting and now - queue.waiting[0].arrived > self._timeout:
            request = queue.waiting.popleft()
            self.answer_error(request, Late(f"its turn did not come within TIMEOUT={self._timeout} s"))

    def _in_thread(self, queue: RouteQueue, batch: Batch) -> None:
        self._done.append((queue, queue.predict(batch)))
        with contextlib.suppress(BlockingIOError):  # full of other reasons to wake up
            os.write(self._wake, b"1")

    def _deliver(self) -> None:
        while self._done:
            queue, batch = self._done.popleft()
            queue.running.remove(batch)
            self._touched[queue] = None
            self._finish(queue, batch)

    def give_up(self, now: float) -> None:
        """Answer what a call has been predicting for too long. Its thread cannot be stopped: this worker must end."""
        for queue in self._queues.values():
            late = [batch for batch in queue.running if self._timeout and now - batch.began > self._timeout]
            if late:
                self.stuck = True
                waiting, queue.waiting = list(queue.waiting), deque()
                for request in [*(request for batch in late for request in batch.requests), *waiting]:
                    self.answer_error(request, Late(f"the prediction took longer than TIMEOUT={self._timeout} s"))

    def _finish(self, queue: RouteQueue, batch: Batch) -> None:
        queue.end(batch)
        for request, answer in batch.answered:
            if isinstance(answer, Exception):
                self.answer_error(request, answer)
            else:
                self._answer(request, 200, *answer)

    def _page(self, request: Request) -> None:
        """All that is not a prediction; others are asked first, if it shows what they know."""
        if not (self._router and self._router.asks(request)):
            self._render(request, NOBODY)

    def _render(self, request: Request, facts: PeerFacts) -> None:
        known = {REQUEST_ID: request.id, OTHERS: facts}
        try:
            status, body, content_type, more = call_wsgi(self._application, request, known)
        except Exception as error:  # noqa: BLE001 -- Flask has an error handler, so this is our own mistake
            self.answer_error(request, error)
        else:
            self._answer(request, status, body, content_type, more)

    def answer_error(self, request: Request, error: Exception) -> None:
        """Answer a request by an error."""
        path = request.path.decode("latin-1")
        errors = self._application.errors
        status, text = errors.describe(error, Failed(request.method, path, request.id))
        body = request.dialect.error(status, text) if request.dialect else errors.body(path, text)
        (request.meter or self._pages).failed(type(error).__name__)
        more = f"Retry-After: {error.retry_after}\r\n" if isinstance(error, Overloaded) else ""
        self._answer(request, status, body, more=more)

    def refuse(self, request: Request, failure: Failure) -> None:
        """Answer a request that goes no further."""
        body = self._application.errors.body(request.path.decode("latin-1"), failure.text)
        self._answer(request, failure.status, body, more=failure.more)

    def refusal(self, request: Request) -> Failure | None:
        """Why a request is refused whose body has not arrived, if it is."""

    def failure_bytes(self, request: Request, failure: Failure) -> bytes:
        """The answer to what never became a request."""
        self._pages.answered(failure.status, 0.0)
        body = self._application.errors.body(request.path.decode("latin-1"), failure.text)
        if self._access_log:
            self._access_log.add(request, failure.status, len(body), 0.0)
        return answer_bytes(request, failure.status, body, more=failure.more)

    def _answer(
        self, request: Request, status: int, body: bytes, content_type: str = JSON_TYPE, more: str = ""
    ) -> None:
        if request.answered:  # given up before
            return
        request.answered = True
        seconds = time.monotonic() - request.arrived
        (request.meter or self._pages).answered(status, seconds)
        if self._access_log:
            self._access_log.add(request, status, len(body), seconds)
        self._send(request, status, body, content_type, request.version_line + more)
