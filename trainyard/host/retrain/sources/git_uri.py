"""The address of a git repository, as a job names it: taken apart, checked, and kept without its credential.

git reads an address in more ways than one: as an option (``--upload-pack=...``), as a command (``ext::sh -c ...``), as
a path of this machine. What is not plainly https, http or ssh is refused here, before git sees it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from trainyard.errors import TrainyardError
from trainyard.host.network.loopback import is_loopback
from trainyard.host.secrets.credentials import NO_PASSWORD

DEFAULT_PORTS = {"https": 443, "http": 80, "ssh": 22}
LONGEST = 2000  # characters
NO_SECRET = "git"  # noqa: S105 -- the user of https://git@github.com/..., who has no password
FORMS = "write https://<host>/<path>, or git@<host>:<path>"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)")
_HELPER = re.compile(r"[A-Za-z0-9+._-]+::")  # ext::, fd::, and any git-remote-<helper> that is on PATH
_SCP = re.compile(r"([A-Za-z0-9_.-]+)@([A-Za-z0-9_.-]+):([^:]+)")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_SSH_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN = "/~@:+,=!$&'()*;"  # what stays as it is in a path, beside letters, digits and _.-


@dataclass(frozen=True)
class GitUri:
    """An address that was checked.

    Attributes:
        scheme, host, port, path: its parts. The host is in lower case, the port is 0 for the usual one, the path
            begins with a slash, and stays encoded.
        user: empty where none is named.
        secret: the password or token that it came with.
        relative: of ``git@host:path``: the path begins at the user's home, and not at the root.
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str = ""
    secret: str = field(default="", repr=False)
    relative: bool = False

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.host}{f':{self.port}' if self.port else ''}"

    @property
    def url(self) -> str:
        """Without user and secret."""
        return f"{self.origin}{self.path}"

    @property
    def shown(self) -> str:
        """For messages and tables."""
        return self.url

    @property
    def remote(self) -> str:
        """What git is given: ssh needs the user there, and http gets it with the password."""
        if self.scheme != "ssh":
            return self.url
        at = f"{self.user}@" if self.user else ""
        if self.relative:
            return f"{at}{self.host}:{unquote(self.path[1:])}"
        return self.url.replace("://", f"://{at}", 1)

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to this machine, by a name or a number that cannot mean another."""
        return is_loopback(self.host)


def parse(text: str) -> GitUri:
    """The parts of an address.

    Raises:
        TrainyardError: it is none that is taken. The message shows nothing in front of an ``@``.
    """
    _check_characters(text)
    if _HELPER.match(text):
        raise _refused(text, "names a helper program of git", FORMS)
    if match := _SCHEME.fullmatch(text):
        return _url(text, match[1].lower(), match[2])
    if match := _SCP.fullmatch(text):
        user, host, path = match.groups()
        relative = not path.startswith("/")
        if "%" in path:  # ssh takes it as it is there, and not decoded
            raise _refused(text, "has a % in its path", "write ssh://<user>@<host>/<path>")
        path = _path(text, path if path.startswith("/") else f"/{path}")
        return GitUri("ssh", _host(text, host), 0, path, _ssh_user(text, user), relative=relative)
    raise _refused(text, "is a path, or no address", FORMS)


def _url(text: str, scheme: str, rest: str) -> GitUri:
    if scheme not in DEFAULT_PORTS:
        raise _refused(text, f"{scheme}:// is not fetched from", "use https:// or ssh://")
    authority, slash, path = rest.partition("/")
    login, at, address = authority.rpartition("@")
    if "@" in login:
        raise _refused(text, "has more than one @ in front of its path", "write the @ of a password as %40")
    host, port = _address(text, address)
    port = 0 if port == DEFAULT_PORTS[scheme] else port
    path = _path(text, slash + path)
    if scheme != "ssh":
        user, secret = _login(text, login) if at else ("", "")
        return GitUri(scheme, host, port, path, user, secret)
    # A user alone is a token in an address of http, and a user in one of ssh.
    if ":" in login:
        raise _refused(text, "has a password, which ssh does not take", "name a key in RETRAIN_CREDENTIALS")
    return GitUri(scheme, host, port, path, _ssh_user(text, login) if at else "")


def _check_characters(text: str) -> None:
    if not text or len(text) > LONGEST:
        raise TrainyardError(f"the git address has {len(text)} characters", f"write 1 to {LONGEST}: {FORMS}")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise _refused(
            text, "has a space, a backslash, a control character or one that is not ASCII", "write it as %<hex>"
        )
    if text.startswith("-"):
        raise _refused(text, "begins like an option", FORMS)
    if "?" in text or "#" in text:
        raise _refused(text, "has a ? or a #", "a commit or a branch goes into commit_hash")
    if _PERCENT.search(text):
        raise _refused(text, "has a % that is no %<hex>", "write %25 for a %")


def _login(text: str, login: str) -> tuple[str, str]:
    """User and secret. A name alone is a token, but for that of ``https://git@...``."""
    user, _, password = (unquote(part) for part in login.partition(":"))
    for part in (user, password):
        # A line end would add lines to what git is answered when it asks for the credential.
        if not part.isprintable():
            raise _refused(text, "has a control character in its user or password", "correct it")
    if password not in NO_PASSWORD:
        return user, password
    return (user, "") if user == NO_SECRET else ("", user)


def _address(text: str, address: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::(\d{1,5}))?", address)
    if not match or (match[2] and not 0 < int(match[2]) < 65536):
        raise _refused(text, "has no host and port that can be read", FORMS)
    return _host(text, match[1]), int(match[2] or 0)


def _host(text: str, host: str) -> str:
    host = host.lower()
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            raise _refused(text, "has no IPv6 address that can be read", FORMS) from None
    host = host.removesuffix(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, host.split("."))):
        raise _refused(text, "has no host that can be read", FORMS)
    return host


def _ssh_user(text: str, user: str) -> str:
    if not _SSH_USER.fullmatch(user):
        raise _refused(text, "has no user that ssh can be given", FORMS)
    return user


def _path(text: str, path: str) -> str:
    """The path, encoded in one way. What a server may read as another path is refused."""
    decoded = unquote(path)
    segments = decoded[1:].removesuffix("/").split("/")
    if "%2f" in path.lower() or "%" in decoded or "\\" in decoded or not decoded.isprintable() or "\ufffd" in decoded:
        raise _refused(text, "has an encoded slash, percent sign, backslash or control character", "write it plainly")
    if any(part in (".", "..") for part in segments):
        raise _refused(text, "has a . or .. in its path", "write the path that it leads to")
    if any(part.startswith("-") for part in segments):
        raise _refused(text, "has a part that begins with -", "such repositories are not fetched")
    if "" in segments:
        raise _refused(text, "has no path, or an empty part in it", FORMS)
    return quote(decoded, safe=_PLAIN)


def _refused(text: str, why: str, hint: str) -> TrainyardError:
    # What is in front of an @ may be a token, also in an address that cannot be read.
    shown = re.sub(r"(?s)^([A-Za-z][\w+.-]*://)?.*@", r"\1", text[:200])
    shown = "".join(character if character.isprintable() else "?" for character in shown)
    return TrainyardError(f"git address {shown}: {why}", hint)
