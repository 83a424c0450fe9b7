"""URLs that may hold a password: checked before use, and shown without it."""

from __future__ import annotations

import re

from trainyard.errors import TrainyardError

# A password with a slash, an @ or a # in it makes the URL malformed; digits up to a slash are a port.
_LOGIN = re.compile(r"(?<=://)(?:[^\s/?#@'\"`]*@(?:[^\s'\"`]*@)?|[^\s/:@'\"`]*:(?!\d+[/?#])[^\s'\"`]*@)")


def without_logins(text: str) -> str:
    """``text``, with ``***`` in place of the user and the password of each URL in it, malformed ones included."""
    return _LOGIN.sub("***@", text)


def has_login(url: str) -> bool:
    """Whether a URL has a user or a password."""
    return bool(_LOGIN.search(url))


def without_name(url: str) -> str:
    """The URL of an index that uv has a name for: ``name=url``."""
    return re.sub(r"^[\w-]+=(?=\w+://)", "", url)


def check_urls(setting: str, text: str, *, scheme: bool = True) -> None:
    """See that each URL of a setting has its login, if any, where it can be parted from the rest. ``scheme``: that it
    begins with one, too.

    Raises:
        TrainyardError: one is malformed. The message does not show it: part of it may be a password.
    """
    for url in text.split():
        before, separator, rest = without_name(url).rpartition("://")
        path = "".join(re.split("([/?#])", rest, maxsplit=1)[1:])
        if (scheme and not (separator and re.fullmatch(r"[A-Za-z][\w+.-]*", before))) or "@" in path:
            raise TrainyardError(
                f"{setting} is not a URL (it is not shown, as it may hold a password)",
                "write https://<host>/<path>; where a user, a password or a path has one of these: %2F for /, %40 for "
                "@, %3F for ?, %23 for #, %20 for a space",
            )
