"""Which repositories jobs may name: the patterns of RETRAIN_SOURCES.

Pattern and address are compared part by part, after both were written in one way: a ``*`` in a path cannot stand for
another host, and one in a host cannot stand for a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from trainyard.errors import TrainyardError
from trainyard.host.retrain.sources.git_uri import DEFAULT_PORTS, GitUri

SETTING = "RETRAIN_SOURCES"
EXAMPLE = "write https://github.com/ours/*, or git@github.com:ours/*"

_URL = re.compile(r"(\*|[A-Za-z]+)://(?:[^/@]+@)?([^/@:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?/(.+)")
_SCP = re.compile(r"(?:[^@/:]+@)?([^@/:]+):/?([^:]+)")
_ENCRYPTED = ("https", "ssh")


@dataclass(frozen=True)
class Pattern:
    """One of them. A port of 0 is the usual one of the scheme."""

    text: str
    scheme: str
    host: str
    port: int
    path: str

    def matches(self, uri: GitUri) -> bool:
        """Whether an address is one of those that it stands for. Plain http has to be written out."""
        if self.scheme == "*":
            if uri.scheme not in _ENCRYPTED:
                return False
        elif self.scheme != uri.scheme:
            return False
        return self.port == uri.port and _fits(self.host, uri.host) and _fits(self.path, _path(uri.path))


@dataclass(frozen=True)
class AllowList:
    """Patterns, any of which lets an address pass."""

    patterns: tuple[Pattern, ...]

    def allows(self, uri: GitUri) -> bool:
        """Whether one of them stands for the address."""
        return any(pattern.matches(uri) for pattern in self.patterns)

    def check(self, uri: GitUri) -> None:
        """See that the address may be fetched.

        Raises:
            TrainyardError: none of them stands for it.
        """
        if self.allows(uri):
            return
        if not self.patterns:
            raise TrainyardError(
                f"{uri.shown} may not be fetched: {SETTING} is empty", f"name the repositories in {SETTING}: {EXAMPLE}"
            )
        plain = uri.scheme == "http" and not uri.is_loopback
        hint = f"add it to {SETTING}" + (" with http://, or use https://" if plain else "")
        raise TrainyardError(f"{uri.shown} may not be fetched: no pattern of {SETTING} stands for it", hint)


def parse_allow_list(text: str) -> AllowList:
    """The patterns of the setting's value.

    Raises:
        TrainyardError: one cannot be read.
    """
    return AllowList(tuple(parse_patterns(text.split(), SETTING)))


def parse_patterns(texts: Iterable[str], setting: str) -> list[Pattern]:
    """Each text as a pattern; ``setting`` is where they come from.

    Raises:
        TrainyardError: one cannot be read.
    """
    return [_pattern(text, setting) for text in texts]


def _pattern(text: str, setting: str) -> Pattern:
    if match := _URL.fullmatch(text):
        scheme, host, port, path = match[1].lower(), match[2].lower(), int(match[3] or 0), match[4]
    elif "://" not in text and (match := _SCP.fullmatch(text)):
        scheme, host, port, path = "ssh", match[1].lower(), 0, match[2]
    else:
        raise _unreadable(text, setting)
    if scheme not in (*DEFAULT_PORTS, "*"):
        raise TrainyardError(f"{setting}: {scheme}:// is not fetched from", EXAMPLE)
    if any(part in ("", ".", "..") for part in path.rstrip("/").split("/")):
        raise _unreadable(text, setting)
    usual = DEFAULT_PORTS.get(scheme, 0)
    return Pattern(text, scheme, host.removesuffix("."), 0 if port == usual else port, _path(f"/{path}"))


def _unreadable(text: str, setting: str) -> TrainyardError:
    shown = text.rpartition("@")[2]  # in front of it may be a token
    return TrainyardError(f"{setting}: {shown} is no pattern of addresses", EXAMPLE)


def _path(path: str) -> str:
    """The same for the ways in which servers take one repository to be named."""
    return unquote(path).rstrip("/").removesuffix(".git").rstrip("/")


def _fits(pattern: str, text: str) -> bool:
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL))
