"""Push webhooks of GitHub and GitLab: which trainings a push asks for."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs

from trainyard.errors import BadRequest, TrainyardError
from trainyard.host.network.urls import without_logins
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.triggers.deliveries import Deliveries
from trainyard.host.retrain.triggers.pushed import Push, is_same_repository, read_push
from trainyard.settings.retrain import RetrainSettings

Affected = Callable[[Push], Sequence[str]]


class NotVerified(TrainyardError):
    """Whoever sent it does not know the secret."""

    http_status = 401


class SentBefore(TrainyardError):
    """A delivery that has come before."""

    http_status = 409


def requests_of_push(
    headers: Mapping[str, str], body: bytes, settings: RetrainSettings, affected: Affected, deliveries: Deliveries,
    *, repository: str = "",
) -> list[RetrainRequest]:  # fmt: skip
    """The trainings that a webhook asks for; none where it is a ping, another event, another branch, or a branch that
    is gone.

    Args:
        headers: of the request; the case of their names does not matter.
        body: as it came: the signature is of these bytes.
        affected: the models, as RetrainRequest names them, of the service's monorepo that a push changes.
        deliveries: which ones have come before.
        repository: the URL of the service's monorepo; where it has none, the repository of a push is not compared.

    Raises:
        NotVerified: no secret is set, or the signature or the token is not of that secret.
        SentBefore: the delivery has come before.
        BadRequest: the body is not what GitHub or GitLab sends, or the push is one of another repository.
        TrainyardError: what ``affected`` raises; the delivery may then be sent again.
    """
    known = {name.lower(): value for name, value in headers.items()}
    is_github = "x-github-event" in known
    if not is_github and "x-gitlab-event" not in known:
        raise BadRequest(
            "neither X-GitHub-Event nor X-Gitlab-Event is there", "send a push webhook of GitHub or GitLab"
        )
    _verify(known, body, settings.push_secret, is_github=is_github)
    event = known["x-github-event"] if is_github else known["x-gitlab-event"]
    if event.lower() not in ("push", "push hook"):
        return []  # a ping, a tag, an issue: whoever set up the webhook sees that it arrives
    push = read_push(_content(known, body), is_github=is_github)
    if push is None or not _is_watched(push, settings):
        return []
    if repository and not any(is_same_repository(url, repository) for url in push.urls):
        shown = without_logins(push.urls[0]) if push.urls else "a repository without a URL"
        raise BadRequest(f"{shown} is not the repository of this service", "set the webhook up in the one that is")
    marks = _marks(known, body, is_github=is_github)
    if not deliveries.add(marks):
        raise SentBefore("this delivery has come before", "push again, or send POST /retrain")
    try:
        models = list(dict.fromkeys(affected(push)))
    except BaseException:
        deliveries.forget(marks)
        raise
    return [RetrainRequest.model_validate({"model": model, "commit_hash": push.commit}) for model in models]


def _verify(headers: Mapping[str, str], body: bytes, secret: str, *, is_github: bool) -> None:
    if not secret:
        raise NotVerified("pushes are not taken: the service has no secret for them", "set RETRAIN_PUSH_SECRET")
    if is_github:
        expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        given, what = headers.get("x-hub-signature-256", ""), "X-Hub-Signature-256 is not the body's"
    else:
        expected, given, what = secret, headers.get("x-gitlab-token", ""), "X-Gitlab-Token is not the service's"
    # As bytes: text that is not ASCII could not be compared. surrogateescape: nor could what was no text.
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode()):
        raise NotVerified(what, "give the webhook the secret of RETRAIN_PUSH_SECRET")


def _marks(headers: Mapping[str, str], body: bytes, *, is_github: bool) -> list[str]:
    """By what a delivery is known again. GitHub signs the body and not the id: who sends a body again can choose
    another id. The bodies of two GitLab pushes may be equal, and its token proves the same of both."""
    digest = hashlib.sha256(body).hexdigest()
    if is_github:
        own = headers.get("x-github-delivery", "")
        return [f"body {digest}", *([f"github {own[:100]}"] if own else [])]
    found = headers.get("idempotency-key") or headers.get("x-gitlab-event-uuid") or digest
    return [f"gitlab {found[:100]}"]


def _content(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
        if headers.get("content-type", "").partition(";")[0].strip() == "application/x-www-form-urlencoded":
            text = parse_qs(text, strict_parsing=True)["payload"][0]
        content = json.loads(text)
    except (ValueError, KeyError, RecursionError):
        raise BadRequest("the body is not JSON", "choose application/json as the content type of the webhook") from None
    if not isinstance(content, dict):
        raise BadRequest("the body is no JSON object", "send what GitHub or GitLab sends")
    return content


def _is_watched(push: Push, settings: RetrainSettings) -> bool:
    wanted = settings.push_branches.split() or [push.default_branch]
    return any(fnmatchcase(push.branch, pattern) for pattern in wanted)
