"""Push webhooks, with bodies as GitHub and GitLab send them."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from trainyard.errors import TrainyardError
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.triggers.deliveries import Deliveries
from trainyard.host.retrain.triggers.push import NotVerified, SentBefore, requests_of_push
from trainyard.host.retrain.triggers.pushed import Push, is_same_repository
from trainyard.host.retrain.triggers.trigger_store import SqlTriggerStore
from trainyard.settings.retrain import RetrainSettings

PAYLOADS = Path(__file__).parent / "payloads"
SECRET = "push-secret-11f"
GITHUB = json.loads((PAYLOADS / "github_push.json").read_text())
GITLAB = json.loads((PAYLOADS / "gitlab_push.json").read_text())
OURS = "git@github.com:ours/Models.git"


def settings(secret: str = SECRET, branches: str = "") -> RetrainSettings:
    return RetrainSettings.read({"RETRAIN_PUSH_SECRET": secret, "RETRAIN_PUSH_BRANCHES": branches})


class Hook:
    """The end of the service; ``pushes`` are what models were asked for."""

    def __init__(self, folder: Path) -> None:
        self.database = f"sqlite:///{folder / 'state.db'}"
        self.pushes: list[Push] = []
        self.deliveries = Deliveries(SqlTriggerStore(create_engine(self.database)))
        self.fails = False

    def affected(self, push: Push) -> Sequence[str]:
        if self.fails:
            raise TrainyardError("git fetch: no route to host", "try again")
        self.pushes.append(push)
        return ["people/income", "people/age", "people/income"]

    def github(self, content: Any, event: str = "push", delivery: str = "d1", **options: Any) -> list[RetrainRequest]:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        signature = hmac.new(options.pop("secret", SECRET).encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": f"sha256={signature}", **options.pop("headers", {}),
        }  # fmt: skip
        return self.sent(headers, body, **options)

    def gitlab(self, content: Any, event: str = "Push Hook", token: str = SECRET, **options: Any) -> Any:
        headers = {
            "Content-Type": "application/json", "X-Gitlab-Event": event, "X-Gitlab-Token": token,
            "X-Gitlab-Event-UUID": options.pop("uuid", "u1"),
        }  # fmt: skip
        return self.sent(headers, json.dumps(content).encode(), **options)

    def sent(self, headers: dict[str, str], body: bytes, own: str = "", **known: str) -> list[RetrainRequest]:
        return requests_of_push(
            headers, body, settings(**known), self.affected, self.deliveries, repository=own
        )  # fmt: skip


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path)


def test_a_push_to_github_asks_for_the_models_that_it_changes(hook: Hook) -> None:
    found = hook.github(GITHUB, own=OURS)
    assert [(request.model, request.commit_hash) for request in found] == [
        ("people/income", GITHUB["after"]), ("people/age", GITHUB["after"]),
    ]  # fmt: skip
    (push,) = hook.pushes
    assert (push.branch, push.before, push.default_branch) == ("main", GITHUB["before"], "main")


def test_a_push_to_gitlab_asks_for_the_models_that_it_changes(hook: Hook) -> None:
    found = hook.gitlab(GITLAB, own="https://oauth2:token@gitlab.ours.example/ml/models")
    assert [request.commit_hash for request in found] == [GITLAB["after"]] * 2
    assert hook.pushes[0].before == GITLAB["before"]


def test_a_form_that_github_sends_is_read(hook: Hook) -> None:
    body = urllib.parse.urlencode({"payload": json.dumps(GITHUB)}).encode()
    assert hook.github(body, headers={"Content-Type": "application/x-www-form-urlencoded"})


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "sha256=ü"},
        {"X-Hub-Signature-256": "\udcff"},
        {"X-Hub-Signature-256": "", "X-Hub-Signature": "sha1=" + "0" * 40},
        {"X-Hub-Signature-256": "", "X-Gitlab-Token": SECRET},  # GitLab's proof is none of GitHub
    ],
)
def test_who_does_not_know_the_secret_is_refused(hook: Hook, headers: dict[str, str]) -> None:
    with pytest.raises(NotVerified) as caught:
        hook.github(GITHUB, headers=headers)
    assert caught.value.http_status == 401
    assert SECRET not in str(caught.value)
    assert not hook.pushes


def test_a_body_that_was_changed_is_refused(hook: Hook) -> None:
    signed = hmac.new(SECRET.encode(), json.dumps(GITHUB).encode(), hashlib.sha256).hexdigest()
    with pytest.raises(NotVerified):
        hook.github(GITHUB | {"after": "b" * 40}, headers={"X-Hub-Signature-256": f"sha256={signed}"})


@pytest.mark.parametrize("token", ["", "x", SECRET + "x", SECRET[:-1], "ü"])
def test_another_token_of_gitlab_is_refused(hook: Hook, token: str) -> None:
    with pytest.raises(NotVerified):
        hook.gitlab(GITLAB, token=token)


def test_without_a_secret_nothing_is_taken(hook: Hook) -> None:
    """An empty secret would be everybody's."""
    with pytest.raises(NotVerified, match="RETRAIN_PUSH_SECRET"):
        hook.github(GITHUB, secret="", headers={})
    with pytest.raises(NotVerified, match="RETRAIN_PUSH_SECRET"):
        requests_of_push(
            {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": ""}, b"{}", settings(""), hook.affected, hook.deliveries
        )


def test_the_same_delivery_is_refused_after_a_restart_too(hook: Hook, tmp_path: Path) -> None:
    hook.github(GITHUB)
    hook.gitlab(GITLAB)
    for again in (hook, Hook(tmp_path)):
        with pytest.raises(SentBefore) as caught:
            again.github(GITHUB)
        assert caught.value.http_status == 409
        with pytest.raises(SentBefore):
            again.gitlab(GITLAB)
        # GitHub does not sign the id.
        with pytest.raises(SentBefore):
            again.github(GITHUB, delivery="another")
    assert len(hook.pushes) == 2
    assert hook.gitlab(GITLAB, uuid="u2")


def test_of_many_that_come_at_once_one_is_taken(hook: Hook) -> None:
    together = threading.Barrier(8)

    def send(_: int) -> int:
        together.wait(30)
        try:
            return len(hook.github(GITHUB))
        except SentBefore:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(send, range(8))) == [0] * 7 + [2]


def test_a_delivery_that_failed_here_may_be_sent_again(hook: Hook) -> None:
    hook.fails = True
    with pytest.raises(TrainyardError, match="no route to host"):
        hook.github(GITHUB)
    hook.fails = False
    assert hook.github(GITHUB)


@pytest.mark.parametrize("event", ["ping", "issues", "create", "pull_request"])
def test_other_events_of_github_ask_for_nothing(hook: Hook, event: str) -> None:
    assert hook.github({"zen": "Keep it logically awesome.", "hook_id": 1}, event) == []
    with pytest.raises(NotVerified):
        hook.github({"zen": "Keep it logically awesome."}, event, secret="wrong")


@pytest.mark.parametrize("event", ["Tag Push Hook", "Merge Request Hook", "System Hook"])
def test_other_events_of_gitlab_ask_for_nothing(hook: Hook, event: str) -> None:
    assert hook.gitlab(GITLAB, event) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"ref": "refs/heads/feature"},
        {"ref": "refs/tags/v1"},
        {"deleted": True, "after": "0" * 40},
        {"after": "0" * 40},
    ],
)
def test_other_branches_tags_and_branches_that_are_gone_ask_for_nothing(hook: Hook, changed: dict[str, Any]) -> None:
    assert hook.github(GITHUB | changed) == []
    assert hook.gitlab(GITLAB | changed | {"checkout_sha": None}) == []
    assert not hook.pushes


def test_which_branches_train_is_a_setting(hook: Hook) -> None:
    wanted = "release/* next"
    assert hook.github(GITHUB, branches=wanted) == []
    assert hook.github(GITHUB | {"ref": "refs/heads/release/7"}, branches=wanted)
    assert hook.github(GITHUB | {"ref": "refs/heads/next"}, branches=wanted, delivery="d2")


def test_a_new_branch_has_no_commit_before(hook: Hook) -> None:
    assert hook.github(GITHUB | {"before": "0" * 40, "created": True})
    assert hook.pushes[0].before == ""


def test_another_repository_is_refused(hook: Hook) -> None:
    with pytest.raises(TrainyardError, match="not the repository of this service"):
        hook.github(GITHUB, own="https://github.com/ours/other.git")
    assert not hook.pushes


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000, {}, {"ref": 1, "after": "a" * 40, "before": "a" * 40},
        GITHUB | {"after": "--upload-pack=x"}, GITHUB | {"after": "a" * 39}, GITHUB | {"before": "HEAD"},
        GITHUB | {"repository": "ours"}, GITHUB | {"after": None},
    ],
)  # fmt: skip
def test_what_is_no_push_is_one_line(hook: Hook, content: Any) -> None:
    with pytest.raises(TrainyardError) as caught:
        hook.github(content)
    assert caught.value.http_status == 400
    assert "\n" not in str(caught.value)
    assert not hook.pushes


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(GITHUB)), values)
def test_any_value_anywhere_is_answered(tmp_path_factory: pytest.TempPathFactory, name: str, value: Any) -> None:
    hook = Hook(tmp_path_factory.mktemp("hook"))
    try:
        hook.github(GITHUB | {name: value})
    except TrainyardError as error:
        assert error.http_status == 400


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://github.com/ours/models.git", "git@github.com:ours/models.git", True),
        ("https://me:token@GitHub.com/ours/Models", "ssh://git@github.com:22/ours/models.git", True),
        ("https://github.com/ours/models", "https://gitlab.com/ours/models", False),
        ("https://github.com/ours/models", "https://github.com/ours/models2", False),
        ("https://github.com.evil.example/ours/models", "https://github.com/ours/models", False),
        ("https://evil.example/github.com/ours/models", "https://github.com/ours/models", False),
    ],
)
def test_one_repository_has_many_urls(one: str, other: str, same: bool) -> None:
    assert is_same_repository(one, other) is same
