"""Why git could not fetch, in one line with a fix: told from what git, curl and ssh print (in English, by LC_ALL=C)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.network.urls import without_logins


class Trouble(StrEnum):
    """The kinds of failure. Those in ``PASSING`` may be gone at another try."""

    NOT_THERE = "not there"
    LOGIN = "login"
    UNKNOWN_HOST = "unknown host"
    HOST_KEY = "host key"
    CERTIFICATE = "certificate"
    NO_COMMIT = "no commit"
    ONLY_REFS = "only refs"
    AWAY = "away"
    REDIRECT = "redirect"
    TIMEOUT = "timeout"
    TOO_LARGE = "too large"
    DISK_FULL = "disk full"
    REFUSED = "refused"  # what is in the repository
    OTHER = "other"


PASSING = (Trouble.UNKNOWN_HOST, Trouble.AWAY, Trouble.TIMEOUT, Trouble.DISK_FULL)


class FetchError(TrainyardError):
    """A repository that could not be fetched."""

    def __init__(self, trouble: Trouble, message: str, hint: str) -> None:
        super().__init__(message, hint, EXIT_FAILED)
        self.trouble = trouble


@dataclass(frozen=True)
class _Known:
    """What a complaint looks like, and what is said of it: ``{reason}`` is the line that was found."""

    pattern: re.Pattern[str]
    trouble: Trouble
    message: str
    hint: str


def _known(trouble: Trouble, pattern: str, message: str, hint: str) -> _Known:
    return _Known(re.compile(pattern, re.IGNORECASE), trouble, message, hint)


# The first that fits is taken: ssh and curl say what is wrong before git adds that it could not read.
TROUBLES = (
    _known(
        Trouble.DISK_FULL,
        r"no space left on device|disk quota exceeded",
        "no room on the disk",
        "make room: make prune",
    ),
    _known(
        Trouble.ONLY_REFS,
        r"does not allow request for unadvertised object",
        "the server sends only what a branch or a tag names",
        "name one of these",
    ),
    _known(
        Trouble.UNKNOWN_HOST,
        r"could not resolve (proxy|host)|name or service not known",
        "the host is unknown (DNS)",
        "correct the address, or look after DNS and proxy of this machine",
    ),
    _known(
        Trouble.HOST_KEY,
        r"host key verification failed|host key is known for|host identification has changed",
        "the host's key is not known, or is another one than before",
        "compare it with the one that the host's owner publishes, and add that to the file of RETRAIN_KNOWN_HOSTS",
    ),
    _known(
        Trouble.OTHER,
        r"no user exists for uid",
        "ssh does not run as a user that this machine has no name for",
        "name the repository by https://, or give the service's user a line in /etc/passwd",
    ),
    _known(
        Trouble.CERTIFICATE,
        r"ssl certificate|certificate verif|self[- ]signed certificate|certificate subject name|local issuer",
        "the server's certificate is not trusted: {reason}",
        "set GIT_SSL_CAINFO or SSL_CERT_FILE for the service",
    ),
    _known(
        Trouble.REDIRECT,
        r"returned error: 30\d|unable to update url base from redirection",
        "the server sends elsewhere, which is not followed",
        "name the repository's present address; many servers want a .git at its end",
    ),
    _known(
        Trouble.LOGIN,
        r"could not read (username|password)|terminal prompts disabled",
        "it does not exist, or needs a credential",
        "correct the address, or name a credential in RETRAIN_CREDENTIALS",
    ),
    _known(
        Trouble.LOGIN,
        r"authentication failed|returned error: 40[13]|permission denied|access denied|too many authentication",
        "the server refuses the credential, or there is none",
        "name one that may read the repository in RETRAIN_CREDENTIALS",
    ),
    _known(
        Trouble.NOT_THERE,
        r"repository .*not found|not appear to be a git repository|could not be found|returned error: 4(04|10)"
        r"|is this a git repository|no such file or directory|invalid server response|does not exist",
        "the repository does not exist, or this credential may not see it",
        "correct the address, or name a credential in RETRAIN_CREDENTIALS",
    ),
    _known(
        Trouble.NOT_THERE,
        r"dumb http transport",
        "the server shows files alone, and does not speak git's protocol",
        "name the address that git clone is given; git http-backend is what serves one",
    ),
    _known(
        Trouble.NO_COMMIT,
        r"needed a single revision|expected commit type|not our ref|couldn't find remote ref|bad object",
        "the commit is not in the repository",
        "push it there, or name another one",
    ),
    _known(
        Trouble.REFUSED,
        r"fsck error|disallowed submodule|gitmodules(url|path|name|symlink|update)|invalid path|index-pack failed"
        r"|bad tree|unresolved deltas",
        "git refuses what is in the repository: {reason}",
        "git fsck in a clone says what to correct",
    ),
    _known(
        Trouble.AWAY,
        r"couldn't connect|failed to connect|connection (refused|reset|timed out|closed)|timed out|empty reply"
        r"|returned error: (429|5\d\d)|hung up|early eof|unexpected disconnect|network is unreachable"
        r"|no route to host|rpc failed|recv failure|transfer closed",
        "the server does not answer as it should: {reason}",
        "look whether it is up, and try again",
    ),
)
_NOISE = re.compile(r"^(warning|hint|remote: (counting|compressing|enumerating|total)|debug1?)\b:?", re.IGNORECASE)


def explained(what: str, complaint: str) -> FetchError:
    """The error of a git that has failed; ``what`` says which repository."""
    lines = [_printable(line) for line in complaint.splitlines() if line.strip()]
    text = "\n".join(lines)
    for known in TROUBLES:
        if match := known.pattern.search(text):
            reason = next((line for line in lines if known.pattern.search(line)), match[0])
            return FetchError(known.trouble, f"{what}: {known.message.format(reason=_short(reason))}", known.hint)
    told = [line for line in lines if not _NOISE.match(line)]
    reason = _short(told[-1]) if told else "git says nothing"
    return FetchError(Trouble.OTHER, f"{what}: it cannot be fetched: {reason}", "try it by hand with git fetch")


def _short(line: str) -> str:
    return without_logins(re.sub(r"^(fatal|error|remote): ", "", line))[:300]


def _printable(line: str) -> str:
    """What a server sends may hold commands for a terminal."""
    return "".join(character if character.isprintable() else "?" for character in line).strip()
