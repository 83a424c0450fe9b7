"""What a request asks for and of whom: its target and its Host (RFC 9112, 3.2)."""

from __future__ import annotations

import re

from trainyard.image.serve.request import Failure

METHODS = "GET, HEAD, OPTIONS, POST"
EVERYTHING = b"*"  # the target of a question about the server as a whole
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)  # RFC 3986, 3.2.2 and 3.2.3, but for the comma, by which several would be joined
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)


class BadTarget(Exception):
    """A target or a Host that no request may have; ``failure`` is the answer."""

    def __init__(self, status: int, text: str, more: str = "") -> None:
        super().__init__(text)
        self.failure = Failure(status, text, more)


def check_host(host: bytes | None, version: str) -> None:
    """One Host, which may be empty; HTTP/1.0 needs none. Two arrive here joined by a comma and a blank.

    Raises:
        BadTarget: there is none, or it is not one.
    """
    if host is None:
        if version != "1.0":
            raise BadTarget(400, "not a good HTTP request: the Host header is missing")
    elif not _HOST.fullmatch(host.strip(b" \t")):
        raise BadTarget(400, "not a good HTTP request: the Host header is not one host")


def in_origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """Path and query of a target that does not begin with a slash, and the host that it names.

    Raises:
        BadTarget: it is of a form that this server, or this method, does not have.
    """
    if method == b"CONNECT":
        raise BadTarget(405, "CONNECT is not allowed: this server is no proxy", f"Allow: {METHODS}\r\n")
    if target == EVERYTHING and method == b"OPTIONS":
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]) or absolute[1].startswith(b":"):
        raise BadTarget(400, "not a good HTTP request: its target is neither a path nor an http or https URL")
    rest = absolute[2].partition(b"#")[0]
    if not rest and method == b"OPTIONS":
        return EVERYTHING, absolute[1]  # RFC 9112, 3.2.4
    return rest if rest.startswith(b"/") else b"/" + rest, absolute[1]
