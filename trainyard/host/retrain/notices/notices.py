"""Tells whoever is to be told of jobs. Each receiver has a queue and a thread of its own: one that is dead or slow
costs the others nothing, and a job RETRAIN_NOTICE_TIMEOUT seconds at most."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

from trainyard.errors import TrainyardError
from trainyard.host.retrain.jobs.job import Job
from trainyard.host.retrain.notices.notice import Event, Notice
from trainyard.host.retrain.notices.receivers import Receiver, callback_of, receivers_of
from trainyard.host.support.reporter import SILENT, Reporter
from trainyard.settings.retrain import NoticeSettings

WAITING = 100  # notices that wait for one receiver
CALLBACKS = 4  # callbacks that are sent at once: each has a host of its own
CLOSING = 3.0  # seconds that close waits for what is under way

_CLOSED = "nobody is told: the service is ending"
Sent = Future[str]  # why it was not delivered; empty where it was


class _Lane:
    """A bounded queue and the threads that work it off. They end with the process: no receiver can hold it up."""

    def __init__(self, name: str, threads: int = 1) -> None:
        self._waiting: queue.Queue[tuple[Receiver, Notice, Sent] | None] = queue.Queue(WAITING)
        self._threads = threads
        for number in range(threads):
            threading.Thread(target=self._work, name=f"notices {name} {number}", daemon=True).start()

    def put(self, receiver: Receiver, notice: Notice) -> Sent:
        sent: Sent = Future()
        try:
            self._waiting.put_nowait((receiver, notice, sent))
        except queue.Full:
            sent.set_result(f"{receiver.name}: {WAITING} notices wait for it already: see that it answers")
        return sent

    def end(self) -> None:
        """Its threads end when they have done what waits."""
        with contextlib.suppress(queue.Full):  # then they end with the process
            for _ in range(self._threads):
                self._waiting.put_nowait(None)

    def _work(self) -> None:
        while (task := self._waiting.get()) is not None:
            receiver, notice, sent = task
            try:
                receiver.deliver(notice)
                sent.set_result("")
            except TrainyardError as error:
                sent.set_result(str(error))
            except Exception as error:  # noqa: BLE001 -- a plugin's own; its text may have the URL
                sent.set_result(f"{receiver.name}: {type(error).__name__}: see that its URL is right")


class Notices:
    """Tells of jobs. ``reporter`` hears of URLs in RETRAIN_NOTIFY that are none, and of what ``post`` cannot
    deliver."""

    def __init__(self, settings: NoticeSettings, reporter: Reporter = SILENT) -> None:
        self._settings = settings
        self._reporter = reporter
        receivers, wrong = receivers_of(settings)
        for line in wrong:
            reporter.warn(line)
        self._lanes = [(receiver, _Lane(receiver.name)) for receiver in receivers]
        self._callbacks: _Lane | None = None
        self._lock = threading.Lock()
        self._open: set[Sent] = set()
        self._closed = False

    def send(self, job: Job, event: Event, last_lines: Sequence[str] = ()) -> list[str]:
        """Tell of an event, and wait RETRAIN_NOTICE_TIMEOUT seconds at most; what is under way then goes on.

        Returns:
            what was not delivered by then, one line each. Nothing secret is in them.
        """
        sent = self._begun(Notice(job, event, tuple(last_lines)))
        if sent is None:
            return [_CLOSED]
        deadline = time.monotonic() + self._settings.notice_timeout
        return [line for name, one in sent if (line := self._outcome(name, one, deadline))]

    def post(self, job: Job, event: Event, last_lines: Sequence[str] = ()) -> None:
        """The same without waiting, for a thread that has other jobs to look after: what is not delivered becomes a
        warning of the reporter, from another thread."""
        sent = self._begun(Notice(job, event, tuple(last_lines)))
        if sent is None:
            self._reporter.warn(f"job {job.id}: {_CLOSED}")
        for _, one in sent or ():
            one.add_done_callback(lambda done: self._warn(job.id, done.result()))

    def close(self, seconds: float = CLOSING) -> list[str]:
        """Take nothing more, and wait a little for what is under way; what was not delivered by then."""
        with self._lock:
            was_closed, self._closed, under_way = self._closed, True, list(self._open)
            lanes = [lane for _, lane in self._lanes] + ([self._callbacks] if self._callbacks else [])
        for lane in () if was_closed else lanes:
            lane.end()
        deadline = time.monotonic() + seconds
        late = 0
        for sent in under_way:
            try:
                sent.result(max(0.0, deadline - time.monotonic()))
            except NotYet:
                late += 1
        return [f"{late} notices were still under way when the service ended"] if late else []

    def _begun(self, notice: Notice) -> list[tuple[str, Sent]] | None:
        """What waits to be sent now, by the name of its receiver; None where the notices are closed."""
        with self._lock:
            if self._closed:
                return None
            sent = [(receiver.name, self._kept(lane.put(receiver, notice))) for receiver, lane in self._lanes]
            if callback := self._callback(notice):
                sent.append((callback.name, self._kept(self._callback_lane().put(callback, notice))))
            return sent

    def _warn(self, job_id: str, line: str) -> None:
        if line:
            self._reporter.warn(f"job {job_id}: {line}")

    def _callback(self, notice: Notice) -> Receiver | None:
        url = notice.job.request.get("callback_url")
        return callback_of(str(url), self._settings) if url and notice.event is not Event.STARTED else None

    def _callback_lane(self) -> _Lane:
        if self._callbacks is None:
            self._callbacks = _Lane("callbacks", CALLBACKS)
        return self._callbacks

    def _kept(self, sent: Sent) -> Sent:
        self._open.add(sent)
        sent.add_done_callback(self._open.discard)
        return sent

    def _outcome(self, name: str, sent: Sent, deadline: float) -> str:
        try:
            return sent.result(max(0.0, deadline - time.monotonic()))
        except NotYet:
            limit = self._settings.notice_timeout
            return f"{name}: not taken within {limit} s: see that it answers, or raise RETRAIN_NOTICE_TIMEOUT"
