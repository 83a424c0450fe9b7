"""Limits on what the service takes: requests a minute, bytes of a body. A layer of ASGI, before anything is parsed."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainyard.host.retrain.service.problems import answer
from trainyard.settings.retrain import RetrainSettings

_MOST_CALLERS = 10_000  # whose rate is kept
# A browser that shows what is ours runs nothing else.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"),
)
_OF_DOCS = b"default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"  # Swagger's own page


class Limits:
    """Refuses what is too much; the rest goes on to ``app``."""

    def __init__(self, app: ASGIApp, settings: RetrainSettings) -> None:
        self._app, self._settings = app, settings
        self._callers: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens of the bucket, and when

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if wait := self._wait_of(scope, headers):
            refused = answer(
                HTTPStatus.TOO_MANY_REQUESTS, f"more than {self._settings.rate} requests a minute (RETRAIN_RATE)",
                {"Retry-After": str(int(wait) + 1)},
            )  # fmt: skip
            await refused(scope, receive, send)
            return
        most = self._settings.body_kb * 1000
        length = headers.get(b"content-length", b"0")
        if (length.isdigit() and int(length) > most) or not (body := await _whole(receive, most)):
            await self._too_large()(scope, receive, send)
            return
        await self._app(scope, _replayed(body[0], receive), _with_headers(send, scope["path"]))

    def _too_large(self) -> ASGIApp:
        detail = f"the body has more than {self._settings.body_kb} kB (RETRAIN_BODY_KB)"
        return answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)

    def _wait_of(self, scope: Scope, headers: dict[bytes, bytes]) -> float:
        """Seconds until a caller may ask again: a bucket that holds a minute's requests, and fills evenly."""
        rate = self._settings.rate
        if not rate:
            return 0.0
        shown = headers.get(b"authorization", b"")
        caller = hashlib.sha256(shown).hexdigest() if shown else (scope.get("client") or ("",))[0]
        now = time.monotonic()
        left, then = self._callers.pop(caller, (float(rate), now))
        left = min(rate, left + (now - then) * rate / 60)
        self._callers[caller] = (max(0.0, left - 1) if left >= 1 else left, now)
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) * 60 / rate


async def _whole(receive: Receive, most: int) -> list[bytes]:
    """The body, alone in a list; an empty list where it is too large."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":  # whoever asked is gone
            return [body]
        body += message.get("body", b"")
        if len(body) > most:
            return []
        if not message.get("more_body", False):
            return [body]


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send, path: str) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {**dict(_HEADERS), **({_HEADERS[-1][0]: _OF_DOCS} if path == "/docs" else {})}
            message["headers"] = [*message.get("headers", ()), *own.items()]
        await send(message)

    return with_headers
