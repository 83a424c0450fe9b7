"""Who may ask: a bearer token (RFC 6750), and which web pages' scripts (CORS, fetch.spec.whatwg.org)."""

from __future__ import annotations

import base64
import hmac
import logging
import os
import re
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.image.serve.request import Request
from trainyard.settings.image import ImageSettings

LOG = logging.getLogger("trainyard.serve")
# Those that ask them have no token; they say nothing of the models.
OPEN_PATHS = ("/health", "/livez", "/readyz")
# Browsers ask for a password where they are offered Basic, so people can open the pages.
CHALLENGE = 'WWW-Authenticate: Bearer realm="trainyard"\r\nWWW-Authenticate: Basic realm="trainyard"\r\n'
PREFLIGHT_SECONDS = 600
_TOKEN = re.compile(rb"[\x21-\x7e]+")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/,\s]+")
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")


class Unauthorized(TrainyardError):
    """A request without the token that this server asks for; HTTP 401."""

    http_status = 401


class Tokens:
    """The tokens that are accepted: of API_TOKEN, or of a file that is read again whenever it changes."""

    def __init__(self, token: str, file: str) -> None:
        """One of both is given.

        Raises:
            TrainyardError: there is none in the file, or one that no header can carry.
        """
        self._file = Path(file) if file else None
        self._state = _state(self._file) if self._file else ()
        self._tokens = _read(self._file) if self._file else (_checked(token.encode(), "API_TOKEN"),)

    def check(self, request: Request) -> None:
        """Raises Unauthorized where the request does not carry one of them; compares in constant time."""
        if self._file:
            self._read_again(self._file)
        given = _given(request.headers.get(b"authorization", b""))
        if given is None:
            raise Unauthorized("this server needs a token", "send the header Authorization: Bearer <token>")
        if not sum([hmac.compare_digest(given, token) for token in self._tokens]):  # each of them, found or not
            raise Unauthorized("the token is not this server's", "send the one that API_TOKEN or API_TOKEN_FILE says")

    def _read_again(self, file: Path) -> None:
        state = _state(file)
        if state == self._state:
            return
        self._state = state
        try:
            self._tokens = _read(file)
        except TrainyardError as error:  # as while it is being replaced
            LOG.error("the tokens from before stay: %s", error)


def _given(header: bytes) -> bytes | None:
    """The token of a header: a bearer's, or the password beside any name (RFC 7617); None where there is none."""
    scheme, _, given = header.partition(b" ")
    if scheme.lower() == b"bearer":
        return given.strip()
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(given.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return None


def _state(file: Path) -> tuple[int, ...]:
    """What changes with the file."""
    try:
        found = file.stat()
    except OSError:
        return (0,)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(file: Path) -> tuple[bytes, ...]:
    try:
        lines = file.read_bytes().split()
    except OSError as error:
        raise TrainyardError(f"API_TOKEN_FILE={file}: cannot be read ({error.strerror})", "mount the file") from None
    if not lines:
        raise TrainyardError(f"API_TOKEN_FILE={file}: there is no token in it", "write one a line")
    return tuple(_checked(line, f"API_TOKEN_FILE={file}") for line in lines)


def _checked(token: bytes, where: str) -> bytes:
    """It is not shown, whatever is wrong with it."""
    if not _TOKEN.fullmatch(token):
        raise TrainyardError(
            f"{where}: has characters that a header cannot carry", "use letters, digits, '-', '.', '_', '~', '+', '/'"
        )
    return token


class Origins:
    """The web pages whose scripts may read answers."""

    def __init__(self, text: str) -> None:
        """``text``: ``*``, or origins such as ``https://example.org``, separated by commas.

        Raises:
            TrainyardError: one that is no origin.
        """
        self._all = text.strip() == "*"
        self._allowed = frozenset(origin.strip().rstrip("/").lower() for origin in text.split(",") if origin.strip())
        for origin in self._allowed:
            if not self._all and not _ORIGIN.fullmatch(origin):
                raise TrainyardError(
                    f"CORS_ORIGINS={text}: {origin!r} is no origin", "write, for example, https://example.org, or *"
                )

    def lines(self, request: Request) -> str:
        """Header lines of the answer to ``request``."""
        vary = "" if self._all else "Vary: Origin\r\n"
        origin = request.headers.get(b"origin", b"").decode("latin-1")
        if not origin or not (self._all or origin.lower() in self._allowed):
            return vary
        allowed = "*" if self._all else origin
        return f"{vary}Access-Control-Allow-Origin: {allowed}\r\nAccess-Control-Expose-Headers: *\r\n"

    def preflight(self, request: Request) -> str:
        """Header lines that allow what a page's script is about to ask; empty where ``request`` is no such question."""
        if request.method != "OPTIONS" or b"access-control-request-method" not in request.headers:
            return ""
        names = request.headers.get(b"access-control-request-headers", b"")
        allowed = f"Access-Control-Allow-Headers: {names.decode()}\r\n" if _HEADER_NAMES.fullmatch(names) else ""
        return f"Access-Control-Allow-Methods: GET, POST\r\n{allowed}Access-Control-Max-Age: {PREFLIGHT_SECONDS}\r\n"


def tokens_of(settings: ImageSettings) -> Tokens | None:
    """The tokens that the settings ask for; None where everybody may ask.

    Raises:
        TrainyardError: as ``Tokens``, or both settings are given.
    """
    if settings.api_token and settings.api_token_file:
        raise TrainyardError("API_TOKEN and API_TOKEN_FILE are both set", "keep one of them")
    if not (settings.api_token or settings.api_token_file):
        return None
    return Tokens(settings.api_token, settings.api_token_file)


def origins_of(settings: ImageSettings) -> Origins | None:
    """The origins that the settings allow; None for none.

    Raises:
        TrainyardError: as ``Origins``.
    """
    return Origins(settings.cors_origins) if settings.cors_origins else None


def check_access(settings: ImageSettings) -> None:
    """Refuse settings that cannot be meant, and forget the token: a predict function may print its environment.

    Raises:
        TrainyardError: naming the variable.
    """
    tokens_of(settings)
    origins_of(settings)
    os.environ.pop("API_TOKEN", None)
