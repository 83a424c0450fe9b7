"""Requests to a server that asks for a token, or answers scripts of web pages.

It stands in for the plain dispatcher, which so has no branch for either.
"""

from __future__ import annotations

from typing import Any

from trainyard.image.serve.application import Application
from trainyard.image.serve.http.access import CHALLENGE, OPEN_PATHS, Unauthorized, origins_of, tokens_of
from trainyard.image.serve.http.dispatch import Dispatcher
from trainyard.image.serve.pages.protocol_pages import health_paths
from trainyard.image.serve.request import JSON_TYPE, Failure, Request
from trainyard.image.serve.shared.daemon_context import DaemonContext


def dispatcher(application: Application, common: DaemonContext, *arguments: Any) -> Dispatcher:
    """The one that the settings ask for; the arguments are those of ``Dispatcher``."""
    settings = common.settings
    guarded = settings.api_token or settings.api_token_file or settings.cors_origins
    return (GuardedDispatcher if guarded else Dispatcher)(application, common, *arguments)


class GuardedDispatcher(Dispatcher):
    """Looks at every request before it goes its way, and at every answer."""

    def __init__(self, application: Application, common: DaemonContext, *arguments: Any) -> None:
        settings = common.settings
        self._tokens = tokens_of(settings)
        self._origins = origins_of(settings)
        self._open = frozenset(path.encode() for path in (*OPEN_PATHS, *health_paths(settings)))
        super().__init__(application, common, *arguments)

    def on_request(self, request: Request) -> None:
        if self._origins and (lines := self._origins.preflight(request)):
            self._answer(request, 200, b"", "text/plain", lines)
            return
        if refused := self.refusal(request):
            self.refuse(request, refused)
        else:
            super().on_request(request)

    def refusal(self, request: Request) -> Failure | None:
        if self._tokens and not self._is_open(request):
            try:
                self._tokens.check(request)
            except Unauthorized as error:
                return Failure(error.http_status, str(error), CHALLENGE)
        return None

    def _answer(
        self, request: Request, status: int, body: bytes, content_type: str = JSON_TYPE, more: str = ""
    ) -> None:
        if self._origins:
            more += self._origins.lines(request)
        super()._answer(request, status, body, content_type, more)

    def failure_bytes(self, request: Request, failure: Failure) -> bytes:
        lines = self._origins.lines(request) if self._origins else ""
        return super().failure_bytes(request, failure._replace(more=failure.more + lines))

    def _is_open(self, request: Request) -> bool:
        return request.method in ("GET", "HEAD") and (request.path.rstrip(b"/") or b"/") in self._open
