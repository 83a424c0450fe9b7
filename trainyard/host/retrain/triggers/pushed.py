"""What the bodies of GitHub's and GitLab's push webhooks say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from trainyard.errors import BadRequest

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_BRANCH = "refs/heads/"
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")  # git@github.com:ours/models.git
_URLS = ("clone_url", "ssh_url", "git_url", "html_url", "git_http_url", "git_ssh_url", "http_url", "web_url", "url")


@dataclass(frozen=True)
class Push:
    """A branch has a new commit.

    Attributes:
        branch: without refs/heads/.
        commit: the newest one, a full SHA.
        before: the one that the branch had; empty where the branch is new.
        urls: all that the sender calls the repository by.
    """

    branch: str
    commit: str
    before: str
    urls: tuple[str, ...]
    default_branch: str


def read_push(content: Mapping[str, Any], *, is_github: bool) -> Push | None:
    """The push; None of a tag, or of a branch that is gone.

    Raises:
        BadRequest: it is not what they send.
    """
    ref, after, before = (content.get(name) for name in ("ref", "after", "before"))
    if not isinstance(ref, str) or not isinstance(after, str) or not isinstance(before, str):
        raise BadRequest("the push has no ref, before or after", "send what GitHub or GitLab sends")
    if content.get("deleted") is True or not after.strip("0"):
        return None
    if not ref.startswith(_BRANCH):
        return None
    if not _SHA.fullmatch(after) or not _SHA.fullmatch(before):
        raise BadRequest("before or after of the push is not a SHA", "send what GitHub or GitLab sends")
    repository = content.get("repository" if is_github else "project")
    if not isinstance(repository, dict):
        raise BadRequest("the push names no repository", "send what GitHub or GitLab sends")
    urls = tuple(dict.fromkeys(url for name in _URLS if isinstance(url := repository.get(name), str) and url))
    default = repository.get("default_branch")
    return Push(
        ref.removeprefix(_BRANCH), after, before if before.strip("0") else "", urls,
        default if isinstance(default, str) else "",
    )  # fmt: skip


def is_same_repository(one: str, other: str) -> bool:
    """Whether two URLs name one repository, whatever the protocol and the login."""
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str]:
    if match := _SCP.fullmatch(url):
        host, path = match[1], match[2]
    else:
        try:
            parts = urlsplit(url)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return "", url
    return host.lower(), path.strip("/").removesuffix(".git").lower()
