"""Groups of models have one face: every page shows all routes, whichever group it was asked of."""

import contextlib
import os
import signal

import pytest
import requests
from grouped_daemon import FIRST, SAME, SECOND, children
from prometheus_client.parser import text_string_to_metric_families
from wire import Wire, message, post

PATHS = ["first/predict", "second/predict", "first/slow"]


def check_openapi(document):
    from openapi_spec_validator import validate  # takes two seconds

    validate(document)


@pytest.fixture(scope="module")
def grouped(start):
    return start("groups", WORKERS="2", **SAME)


def get(daemon, path, led_by, method="GET", body=b""):
    """The page, asked of the group that answers the route ``led_by``."""
    with Wire(daemon.url) as wire:
        assert wire.ask(post(led_by, message([[1]]))).status == 200
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return wire.ask(head + body)


@contextlib.contextmanager
def stopped(daemon, group):
    """The workers of a group, as if they hung."""
    pids = [worker for arbiter in children(children(daemon.process.pid)[group]) for worker in children(arbiter)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("led_by", [FIRST, SECOND])
def test_every_page_shows_the_routes_of_all_groups(grouped, led_by):
    ready = get(grouped, "/readyz", led_by)
    assert (ready.status, list(ready.json()["routes"])) == (200, PATHS)
    document = get(grouped, "/openapi.json", led_by).json()
    check_openapi(document)
    assert list(document["paths"])[:3] == [f"/{path}" for path in PATHS]
    for page in ("/", "/docs", "/docs/"):
        text = get(grouped, page, led_by).body.decode()
        assert [text.index(f"/{path}<") for path in PATHS] == sorted(text.index(f"/{path}<") for path in PATHS)
    assert "3 routes" in get(grouped, "/", led_by).body.decode()
    assert get(grouped, "/v2/models", led_by).json() == {"models": PATHS}
    index = get(grouped, "/v2/repository/index", led_by, "POST").json()
    assert [(entry["name"], entry["state"]) for entry in index] == [(path, "READY") for path in PATHS]
    for path in ("/v2/health/ready", "/ping", "/health", "/livez"):
        assert get(grouped, path, led_by).status == 200


def samples(daemon, led_by):
    text = get(daemon, "/metrics", led_by).body.decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


@pytest.mark.slow
def test_metrics_are_of_all_groups_and_equal_whoever_is_asked(start):
    daemon = start("groups", WORKERS="2", **SAME)
    for number in range(6):
        assert daemon.post(("first/predict", "second/predict")[number % 2]).status_code == 200
    one, other = samples(daemon, FIRST), samples(daemon, SECOND)
    assert one.keys() == other.keys()
    assert one["trainyard_workers", ()] == other["trainyard_workers", ()] == 2
    assert one["trainyard_generation", ()] == 1
    assert [value for (name, _), value in one.items() if name == "trainyard_info"] == [1]
    for path in PATHS:
        assert one["trainyard_route_ready", (("route", path),)] == 1
    counted = "trainyard_requests_total", (("code", "200"), ("route", "second/predict"))
    assert one[counted] == 3
    assert other[counted] == 4  # the one that led there
    pages = "trainyard_requests_total", (("code", "200"), ("route", ""))
    assert other[pages] == one[pages] + 1


@pytest.mark.slow
def test_a_group_that_does_not_answer_is_said_to_be_not_ready(start):
    daemon = start("groups", GROUP_TIMEOUT="1", **SAME)
    with stopped(daemon, 1):
        ready = get(daemon, "/readyz", FIRST)
        assert ready.status == 503
        facts = ready.json()["routes"]
        assert [facts[path]["ready"] for path in PATHS] == [True, False, True]
        assert "GROUP_TIMEOUT=1 s" in facts["second/predict"]["reason"]
        assert get(daemon, "/ping", FIRST).status == 503
        document = get(daemon, "/openapi.json", FIRST).json()
        check_openapi(document)
        assert document["paths"]["/second/predict"]["post"]["summary"].startswith("Not ready: its group")
        front = get(daemon, "/", FIRST).body.decode()
        assert "/second/predict<" in front
        assert "did not answer within GROUP_TIMEOUT" in front
        index = get(daemon, "/v2/repository/index", FIRST, "POST").json()
        assert [entry["state"] for entry in index] == ["READY", "UNAVAILABLE", "READY"]
        only_ready = get(daemon, "/v2/repository/index", FIRST, "POST", b'{"ready": true}').json()
        assert [entry["name"] for entry in only_ready] == ["first/predict", "first/slow"]
        assert samples(daemon, FIRST)["trainyard_route_ready", (("route", "second/predict"),)] == 0
        # Who waits for them holds nobody up.
        with Wire(daemon.url) as wire:
            assert wire.ask(post(FIRST, message([[1]]))).status == 200
    assert get(daemon, "/readyz", FIRST).status == 200


def test_pages_do_not_wait_for_each_other(grouped):
    """Both groups ask each other at one time."""
    wires = [Wire(grouped.url) for _ in range(10)]
    try:
        for number, wire in enumerate(wires):
            assert wire.ask(post((FIRST, SECOND)[number % 2], message([[1]]))).status == 200
        for wire in wires:
            wire.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        for wire in wires:
            assert [wire.read().status for _ in range(5)] == [200] * 5
    finally:
        for wire in wires:
            wire.close()


def test_a_group_that_could_not_be_started_is_not_hidden(start, tmp_path):
    daemon = start("groups", VENV_2=str(tmp_path / "nowhere"))
    ready = requests.get(f"{daemon.url}/readyz", timeout=20)
    assert ready.status_code == 503
    assert ready.json()["routes"]["second/predict"]["reason"] == "its group of models has ended: see the log"
    assert "Answers 503." in requests.get(daemon.url, timeout=20).text
    assert requests.get(f"{daemon.url}/health", timeout=20).status_code == 200


def test_pages_need_the_token(start):
    daemon = start("groups", API_TOKEN="for-all-of-them", **SAME)
    assert requests.get(f"{daemon.url}/openapi.json", timeout=20).status_code == 401
    bearer = {"Authorization": "Bearer for-all-of-them"}
    answer = requests.get(f"{daemon.url}/openapi.json", headers=bearer, timeout=20)
    assert set(answer.json()["paths"]) >= {FIRST, SECOND}
