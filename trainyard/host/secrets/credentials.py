"""The credentials that a build is given: what must not be found in an image.

A password in a URL may turn up as it was written there, decoded, encoded anew, or as a header of HTTP sends it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from trainyard.settings.host import HostSettings, NetworkSettings

SHORTEST = 6  # characters; shorter ones are found everywhere
NO_PASSWORD = ("", "x-oauth-basic")  # the user is the token then, as GitHub and Gemfury have it


@dataclass(frozen=True)
class Credential:
    """One secret and the forms in which it may be written. ``name`` says where it came from."""

    name: str
    forms: tuple[bytes, ...] = field(repr=False)

    @property
    def searchable(self) -> tuple[bytes, ...]:
        return tuple(form for form in self.forms if len(form) >= SHORTEST)


def given_to_builds(settings: NetworkSettings) -> list[Credential]:
    """What whoever runs in a build can read: the passwords in the URLs of indexes and proxies."""
    urls = {
        "INDEX_URL": settings.index_url,
        "EXTRA_INDEX_URL": settings.extra_index_url,
        "HTTP_PROXY": settings.http_proxy,
        "HTTPS_PROXY": settings.https_proxy,
    }
    found = [_credential(name, url) for name, text in urls.items() for url in text.split()]
    return [credential for credential in found if credential.forms]


def all_credentials(settings: HostSettings) -> list[Credential]:
    """Those, and what this machine has besides, which no build is given."""
    token = Credential("API_TOKEN", (settings.api_token.encode(),))
    return [*given_to_builds(settings), *([token] if settings.api_token else [])]


def too_short(credentials: list[Credential]) -> Iterator[str]:
    """The names of those that are not searched for."""
    return (credential.name for credential in credentials if not credential.searchable)


def _credential(name: str, url: str) -> Credential:
    """That of one URL; without forms where it has none."""
    authority = (url.partition("://")[2] if "://" in url else url).partition("/")[0]
    login, _, _ = authority.rpartition("@")
    user, _, password = login.partition(":")
    what, secret = ("user", user) if password in NO_PASSWORD else ("password", password)
    if not secret:
        return Credential(name, ())
    plain = unquote(secret)
    basic = base64.b64encode(unquote(login if ":" in login else f"{login}:").encode()).decode()
    forms = (secret, plain, quote(plain, safe=""), *([basic] if len(secret) >= SHORTEST else []))
    return Credential(f"the {what} in {name}", tuple(form.encode() for form in dict.fromkeys(forms)))
