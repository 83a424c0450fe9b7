"""What kubectl 1.35 complains about, told apart."""

from __future__ import annotations

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.compute.base import AwayError
from trainyard.host.compute.kubernetes.kubectl import (
    ExistsError,
    ForbiddenError,
    Kubectl,
    NoNamespaceError,
    NotFoundError,
)
from trainyard.host.support.command import Limit

KUBECTL = Kubectl("far", "prod", "team", Limit("CALL_TIMEOUT", 60), Limit("COPY_TIMEOUT", 60))


@pytest.mark.parametrize(
    ("complaint", "kind", "text"),
    [
        ('E1130 21:06:14 1 memcache.go:265] "Unhandled Error" err="..." / The connection to the server 127.0.0.1:1 was'
         " refused - did you specify the right host or port?", AwayError, "far: The connection to the server"),
        ("Unable to connect to the server: dial tcp: lookup nohost.invalid: no such host", AwayError, "no such host"),
        ("error: error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout", AwayError, "10250"),
        ("Error from server (ServiceUnavailable): the server is currently unable", AwayError, "unable"),
        ("error: You must be logged in to the server (Unauthorized)", TrainyardError, "log in again"),
        ("Unable to connect to the server: getting credentials: exec: executable gke-gcloud-auth-plugin not found / It "
         "looks like you are trying to use a client-go credential plugin that is not installed. / To learn more about "
         "this feature, consult the documentation available at: / https://kubernetes.io/docs", TrainyardError,
         "executable gke-gcloud-auth-plugin not found: log in again"),
        ('Error from server (Forbidden): error when creating "STDIN": jobs.batch is forbidden: User "dev" cannot'
         ' create resource "jobs" in API group "batch" in the namespace "x"', ForbiddenError, "to create jobs"),
        ("Error in configuration: context was not found for specified context: prod", TrainyardError,
         "kubectl has no context prod"),
        ('Error from server (NotFound): error when creating "STDIN": namespaces "team" not found', NoNamespaceError,
         "there is no namespace team"),
        ('Error from server (NotFound): pods "x" not found', NotFoundError, "x"),
        ('Error from server (AlreadyExists): jobs.batch "x" already exists', ExistsError, "x"),
        ("error: its files did not arrive: disk full / command terminated with exit code 1", TrainyardError, "full"),
    ],
)  # fmt: skip
def test_kinds_of_failures(complaint: str, kind: type[TrainyardError], text: str) -> None:
    error = KUBECTL.failure(1, complaint)
    assert type(error) is kind
    assert text in str(error)
    assert "\n" not in str(error)


def test_a_missing_kubectl_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TrainyardError, match="kubectl: No such file or directory: install it"):
        KUBECTL.ask("version")
