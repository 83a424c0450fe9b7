"""The HTTP client of the host: is a server ready, and what does a route answer."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError

READY_SECONDS = 10
POLL = 0.05  # seconds between two questions whether a server is ready


@dataclass(frozen=True)
class Answer:
    """A response: its status, its body (parsed where it is JSON), how long it took (seconds)."""

    status: int
    body: Any
    seconds: float


@dataclass(frozen=True)
class RouteState:
    """A route of a server. ``reason``: why it does not serve; ``warning``: of one that serves all the same;
    ``version``: of the models that it serves, the beginnings of their sha256, with a plus between."""

    path: str
    reason: str
    warning: str
    version: str = ""


def post(url: str, body: bytes, timeout: float, token: str = "") -> Answer:
    """POST a JSON body, with a bearer token where one is given.

    Raises:
        TrainyardError: nobody listens there, or no answer within ``timeout`` seconds.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, body, headers)  # noqa: S310 -- our own server
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    except TimeoutError:
        raise TrainyardError(f"{url}: no answer in {timeout:g} s", "raise REQUEST_TIMEOUT", EXIT_FAILED) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise TrainyardError(
            f"{url}: {reason}", "start the server: make predict, or make predict-all in all/", EXIT_FAILED
        ) from None
    return Answer(status, _parsed(content), time.perf_counter() - started)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def wait_until_ready(url: str, alive: Callable[[], bool], seconds: int) -> None:
    """Ask ``/health`` until it answers 200.

    Raises:
        TrainyardError: the server died, or has not answered within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=max(1, deadline - time.monotonic())) as response:  # noqa: S310
                if response.status == http.client.OK:
                    return
        except (OSError, http.client.HTTPException):
            if not alive():
                raise TrainyardError(
                    "the server died before it was ready: its last lines are above", "", EXIT_FAILED
                ) from None
        time.sleep(POLL)
    raise TrainyardError(f"the server was not ready in {seconds} s", "raise READY_TIMEOUT", EXIT_FAILED)


def routes(url: str) -> list[RouteState]:
    """The routes of a server that answers, as ``/readyz`` has them.

    Raises:
        TrainyardError: it does not answer, or has no such page.
    """
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=READY_SECONDS) as response:  # noqa: S310
            answer = _parsed(response.read())
    except urllib.error.HTTPError as error:
        answer = _parsed(error.read())
    except (OSError, http.client.HTTPException) as error:
        raise TrainyardError(f"{url}/readyz: {error}", "see make logs", EXIT_FAILED) from None
    found = answer.get("routes") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise TrainyardError(f"{url}/readyz does not list its routes", "does another server listen there?", EXIT_FAILED)
    return [_state(path, facts) for path, facts in found.items()]


def _state(path: str, facts: dict[str, Any]) -> RouteState:
    reason = "" if facts.get("ready") else str(facts.get("reason") or "it does not say why")
    return RouteState(path, reason, str(facts.get("warning", "")), str(facts.get("version") or ""))
