"""Who may ask for what: bearer tokens with scopes. Without any token the service answers this machine alone."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from trainyard.host.network.loopback import is_loopback
from trainyard.host.retrain.service.problems import Problem
from trainyard.host.retrain.tokens import Scope, TokenStore

_BEARER = HTTPBearer(auto_error=False, description="make retrain-token prints one")
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def needs(scope: Scope) -> Callable[..., str]:
    """A dependency of a route: the name of whoever asks, where that one has the scope."""

    def check(
        request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None
    ) -> str:  # fmt: skip
        tokens: TokenStore = request.app.state.service.tokens
        if shown is None:
            if tokens.there_are_some():
                raise Problem(HTTPStatus.UNAUTHORIZED, "a bearer token is needed: make retrain-token", _CHALLENGE)
            if not _from_here(request):
                raise Problem(HTTPStatus.FORBIDDEN, "without a token this machine alone may ask")
            return "local"
        token = tokens.find(shown.credentials)
        if token is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "the token is not known, or has expired", _CHALLENGE)
        if not token.may(scope):
            raise Problem(HTTPStatus.FORBIDDEN, f"the token {token.name} may {token.scope}, this needs {scope}")
        return token.name

    return check


def _from_here(request: Request) -> bool:
    """The name in Host counts as well: a page of another site, whose name leads here, has its own."""
    return is_loopback(request.client.host if request.client else "") and is_loopback(request.url.hostname or "")
