"""Errors of the API as problem details: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from trainyard.errors import TrainyardError

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that is an error; ``more`` are further members of it."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, headers, more


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """The response. Its type is ``about:blank``: the title is that of the status."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, dict(headers or {}), MEDIA_TYPE)


def handle_problems(app: FastAPI) -> None:
    """Every error of ``app`` is answered so."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        return answer(error.status, error.detail, error.headers, **error.more)

    @app.exception_handler(TrainyardError)
    async def _refused(_: Request, error: TrainyardError) -> JSONResponse:
        ours = error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR  # of an error that nobody gave a status
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY if ours else error.http_status, str(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # Not the input itself: it may have a credential.
        errors = [{"detail": one["msg"], "pointer": _pointer(one["loc"])} for one in error.errors()]
        detail = "; ".join(f"{one['pointer']}: {one['detail']}" for one in errors)
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(SQLAlchemyError)
    async def _database(_: Request, error: SQLAlchemyError) -> JSONResponse:
        return answer(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"the database of jobs does not answer ({_why(error)})",
            {"Retry-After": "5"},
        )


def _why(error: SQLAlchemyError) -> str:
    """A full disk is worth saying; what PostgreSQL says names its address."""
    return "its disk is full" if "disk is full" in str(error) else type(error).__name__


def _pointer(location: tuple[int | str, ...]) -> str:
    """Where in the request, as ``#/params/depth``."""
    return "#/" + "/".join(str(part) for part in location if part != "body")
