"""How a group of models learns what the others say of a page: a question goes where connections go, the answer is a
file in memory. Threads wait for it, since two groups may ask each other at one time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trainyard.image.serve.application import Application
from trainyard.image.serve.groups.group_connection import from_memory, in_memory
from trainyard.image.serve.pages.exposition import families
from trainyard.image.serve.pages.health import route_facts
from trainyard.image.serve.pages.openapi import parts
from trainyard.image.serve.pages.peer_facts import PeerFacts
from trainyard.image.serve.pages.protocol_pages import INDEX, health_paths, index_entries
from trainyard.image.serve.pages.views import cards
from trainyard.image.serve.prediction.codec import JSON
from trainyard.image.serve.prediction.page_values import page_json
from trainyard.image.serve.request import Request
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.other_groups import Neighbours
from trainyard.settings.image import ImageSettings

LOG = logging.getLogger("trainyard.serve")
THREADS = 4
FACTS: dict[str, Callable[[Application], Any]] = {
    "routes": route_facts,
    "index": index_entries,
    "cards": cards,
    "document": parts,
    "metrics": families,
}
PAGES = {
    "/": "cards", "/docs": "document", "/openapi.json": "document", "/readyz": "routes", "/metrics": "metrics",
    INDEX: "index",
}  # fmt: skip


class Asking:
    """Of one worker."""

    def __init__(self, neighbours: Neighbours, settings: ImageSettings, wake: int) -> None:
        """``wake``: end of a pipe; what is written to it ends the event loop's waiting."""
        self._neighbours = neighbours
        self._seconds = settings.group_timeout
        self._wake = wake
        self._pages = PAGES | dict.fromkeys(health_paths(settings) - {"/v2/health/live"}, "routes")
        self._pool = ThreadPoolExecutor(THREADS, "ask")
        self._answered: deque[tuple[Request, PeerFacts]] = deque()

    def asks(self, request: Request) -> bool:
        """Whether a page shows what others know, too; then they are being asked."""
        kind = self._pages.get(request.path.decode("latin-1").rstrip("/") or "/")
        if kind is None:
            return False
        self._pool.submit(self._ask, request, kind)
        return True

    def answered(self) -> Iterator[tuple[Request, PeerFacts]]:
        """The requests whose others have been asked, and what these have answered."""
        while self._answered:
            yield self._answered.popleft()

    def _ask(self, request: Request, kind: str) -> None:
        reasons = {number: self._neighbours.reason(number) for number in self._neighbours.others}
        ends = {number: self._question(number, kind) for number, reason in reasons.items() if not reason}
        facts, deadline = [], time.monotonic() + self._seconds
        for number, end in ends.items():
            answer = _answer(end, deadline) if end else None
            if answer is None:
                reasons[number] = f"its group of models did not answer within GROUP_TIMEOUT={self._seconds} s"
            else:
                facts.append(answer)
        groups = self._neighbours.groups
        silent = {route.path: why for number, why in reasons.items() if why for route in groups[number]}
        self._answered.append((request, PeerFacts(tuple(facts), silent)))
        with contextlib.suppress(BlockingIOError):  # full of other reasons to wake up
            os.write(self._wake, b"1")

    def _question(self, number: int, kind: str) -> socket.socket | None:
        """Where the answer will come; None where the group takes no more."""
        try:
            own, its = socket.socketpair()
        except OSError:  # no descriptors left
            return None
        with its:
            try:
                message = json.dumps({"question": kind}).encode()
                socket.send_fds(self._neighbours.giving[number], [message], [its.fileno()])
            except OSError:
                own.close()
                return None
        return own


def _answer(end: socket.socket, deadline: float) -> Any:
    with end, contextlib.suppress(OSError, ValueError):
        waiting = select.poll()
        waiting.register(end, select.POLLIN)
        if waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            _, descriptors = kernel.receive_descriptors(end, 1, 1)
            if descriptors:
                return JSON.loads(from_memory(descriptors[0]))
    return None


def answer_question(kind: str, end: socket.socket, application: Application) -> None:
    """Tell another group what this one knows of a page."""
    with end:
        try:
            content = in_memory(page_json(FACTS[kind](application)))
            try:
                socket.send_fds(end, [b"a"], [content])
            finally:
                os.close(content)
        except OSError as error:  # it does not wait any more, or there is no memory left: it says so itself
            LOG.debug("another group of models was not sent its %s: %s", kind, error)
        except Exception:  # what a record holds may be anything; the event loop goes on
            LOG.exception("another group of models was not sent its %s", kind)
