"""Whoever is told of jobs: real servers on loopback; and jobs to tell of."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from typing import Any

from servers import Quiet, answering

from trainyard.host.retrain.jobs.job import Job, State, Step, StepName
from trainyard.host.retrain.notices.notices import Notices
from trainyard.settings.retrain import NoticeSettings

MOMENT = datetime(2026, 11, 30, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Received:
    """One request: headers in lower case, the bytes of the body."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent. ``status`` is its answer; ``location``: of a redirect; ``goes_on``: cleared, it does not
    answer until that is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []
        self.status = 200
        self.location = ""
        self.goes_on = threading.Event()
        self.goes_on.set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(Quiet):
    server: Receiver

    def do_POST(self) -> None:  # noqa: N802 -- http.server's name
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body))
        self.server.goes_on.wait(60)
        more = {"Location": self.server.location} if self.server.location else {}
        self.refuse(self.server.status, **more)

    def do_GET(self) -> None:  # noqa: N802
        self.do_POST()


@contextmanager
def receiver() -> Iterator[Receiver]:
    with answering(Receiver()) as server:
        try:
            yield server
        finally:
            server.goes_on.set()


@contextmanager
def silent() -> Iterator[int]:
    """A port on which connections are taken and nothing is ever said."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(20)
        yield int(listening.getsockname()[1])


def settings(**values: str) -> NoticeSettings:
    """As the environment gives them, without the prefix."""
    return NoticeSettings.read({f"RETRAIN_{name.upper()}": value for name, value in values.items()})


@contextmanager
def notices(**values: str) -> Iterator[Notices]:
    made = Notices(settings(**values))
    try:
        yield made
    finally:
        made.close(0.5)


def job(**facts: Any) -> Job:
    """One that has ended well, and has a new champion."""
    request = {"model": "people/income", "callback_url": None, **facts.pop("request", {})}
    known: dict[str, Any] = {
        "id": "j1", "state": State.SUCCEEDED, "request": request, "key": "own people/income", "trigger": "token ci",
        "created": MOMENT, "commit": "a" * 40, "run": "r1", "version": "7", "promoted": True,
        "metrics": {"auc": 0.91, "loss": float("nan")}, "reason": "auc 0.91 against the champion's 0.9",
        "champion": "6", "champion_metrics": {"auc": 0.9}, "steps": (Step(StepName.TRAIN, MOMENT, MOMENT),),
    }  # fmt: skip
    return Job(**{**known, **facts})
