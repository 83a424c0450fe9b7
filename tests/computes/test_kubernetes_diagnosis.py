"""What is made of what a cluster says: recorded from Kubernetes 1.35, each file one Job with its pod and its events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainyard.host.compute.kubernetes.diagnosis import Finding, diagnose, diagnose_events, quantity

RECORDED = Path(__file__).parent / "recorded"


def found(name: str) -> Finding:
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    finding = diagnose(recorded["job"], recorded["pod"])
    no_pod = recorded["pod"] is None and finding.state == "waiting" and not finding.text
    return diagnose_events(recorded["events"]) if no_pod else finding


@pytest.mark.parametrize(
    ("name", "state", "text"),
    [
        ("running", "running", ""),
        ("failed", "over", ""),
        ("deleting", "lost", "its pod was deleted"),
        ("deleted", "lost", "its pod was deleted"),
        ("removed", "lost", "it was removed"),
        ("evicted", "lost", "EvictionByEvictionAPI"),
        ("nodelost", "lost", "DeletionByTaintManager"),
        ("oom", "refused", ""),
        ("deadline", "refused", ""),
        ("storage", "refused", 'volume "tmp" exceeds the limit "1Mi"'),
        ("starterror", "refused", '"nothere": executable file not found'),
        ("nosecret", "refused", 'secret "x" not found'),
        ("noimage", "refused", "0000: not found"),
        ("unreachable", "stuck", "cannot be pulled: dial tcp 127.0.0.1:1: connect: connection refused"),
        ("podsecurity", "refused", 'violates PodSecurity "restricted:latest": host namespaces'),
        ("account", "refused", 'serviceaccount "nobody" not found'),
        ("quotaless", "refused", "must specify requests.memory"),
        ("quotatoomuch", "refused", "exceeded quota: small, requested: requests.memory=1Gi"),
        ("quotaused", "waiting", "the quota is used up"),
        ("suspended", "waiting", "it waits in its queue"),
        ("unschedulable", "waiting", "no node has a place: 0/2 nodes are available: 2 Insufficient cpu."),
    ],
)
def test_what_has_become_of_a_task(name: str, state: str, text: str) -> None:
    finding = found(name)
    assert finding.state == state
    assert text in finding.text
    assert "\n" not in finding.text


def test_limits_and_statuses() -> None:
    assert found("oom").limit == "memory"
    assert found("deadline").limit == "time"
    assert found("failed").status == 3
    assert diagnose(None, None).state == "lost"


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ('failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized',
         "refused"),
        ('failed to resolve reference "x": pull access denied, repository does not exist or may require authorization',
         "refused"),
        ('failed to do request: Head "x": dial tcp: lookup registry.invalid: no such host', "stuck"),
        ('failed to do request: Head "x": http: server gave HTTP response to HTTPS client', "stuck"),
        ('failed to copy: httpReadSeeker: failed open: unexpected status code 503', "stuck"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_pulled(message: str, state: str) -> None:
    """Messages of containerd."""
    recorded = json.loads((RECORDED / "noimage.json").read_text())
    recorded["pod"]["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = message
    assert diagnose(recorded["job"], recorded["pod"]).state == state


@pytest.mark.parametrize(
    ("text", "amount"), [("500m", 0.5), ("2", 2), ("1Gi", 1 << 30), ("64Mi", 64 << 20), ("1k", 1000), ("2e3", 2000)]
)
def test_amounts(text: str, amount: float) -> None:
    assert quantity(text) == amount
