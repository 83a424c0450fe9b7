"""Ready only when it is, and what it counts."""

import json
import math
import re
import signal
import threading
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from waiting import until


def metrics(daemon):
    """``metric name -> {labels as a frozenset -> value}``, by the parser of Prometheus' own client."""
    text = requests.get(f"{daemon.url}/metrics", timeout=5).text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def test_livez_and_health_are_200_whatever_the_models(daemon):
    for path in ("livez", "health"):
        response = requests.get(f"{daemon.url}/{path}", timeout=5)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_readyz_says_for_each_route_why_it_is_not_ready(daemon):
    response = requests.get(f"{daemon.url}/readyz", timeout=5)
    assert response.status_code == 503
    routes = response.json()["routes"]
    assert routes["sum"] == {"ready": True, "version": None}
    assert "models/price.pkl" in routes["file"]["reason"]
    assert "no such file" in routes["file"]["reason"]
    assert "cannot be imported" in routes["gone"]["reason"]
    assert "ValueError" in routes["crash"]["reason"]
    assert "a secret" not in response.text
    assert requests.get(f"{daemon.url}/readyz/sum", timeout=5).status_code == 200
    assert requests.get(f"{daemon.url}/readyz/gone", timeout=5).status_code == 503
    assert requests.get(f"{daemon.url}/readyz/nothing", timeout=5).status_code == 404


@pytest.mark.slow
def test_while_it_drains_it_is_not_ready(start):
    daemon = start("basic", WORKERS="1")
    with requests.Session() as session:
        assert session.get(f"{daemon.url}/readyz/sum", timeout=5).status_code == 200
        slow = threading.Thread(target=lambda: daemon.post("slow", [[1.5]]))
        slow.start()
        time.sleep(0.2)
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert session.get(f"{daemon.url}/readyz/sum", timeout=5).status_code == 503
        slow.join()


def test_metrics_are_of_all_workers_and_stay_when_one_dies(start):
    import os

    daemon = start("basic", WORKERS="2")
    for _ in range(20):
        daemon.post("sum", [[1, 2], [3, 4]])
    daemon.post("refuse")
    daemon.post("sum", data=b"no json", json=None)
    for worker in daemon.workers():
        os.kill(worker, signal.SIGKILL)
    # A process that is there has not yet begun to serve.
    until(lambda: metrics(daemon)["trainyard_workers"][frozenset()] == 2, 10)
    daemon.post("sum", [[1, 2], [3, 4]])
    found = metrics(daemon)
    requests_total = found["trainyard_requests_total"]
    assert requests_total[frozenset({("route", "sum"), ("code", "200")})] == 21
    assert requests_total[frozenset({("route", "sum"), ("code", "400")})] == 1
    assert requests_total[frozenset({("route", "refuse"), ("code", "400")})] == 1
    assert found["trainyard_rows_total"][frozenset({("route", "sum")})] == 42
    assert found["trainyard_errors_total"][frozenset({("route", "sum"), ("kind", "BadRequest")})] == 1
    seconds = found["trainyard_request_seconds_bucket"]
    assert seconds[frozenset({("route", "sum"), ("le", "+Inf")})] == 22
    assert found["trainyard_request_seconds_count"][frozenset({("route", "sum")})] == 22
    assert 0 < found["trainyard_request_seconds_sum"][frozenset({("route", "sum")})] < 5
    assert found["trainyard_workers"][frozenset()] == 2
    assert found["trainyard_memory_bytes"][frozenset()] > 20e6
    assert found["trainyard_route_ready"][frozenset({("route", "sum")})] == 1
    assert found["trainyard_route_ready"][frozenset({("route", "gone")})] == 0
    assert not any(math.isnan(value) for values in found.values() for value in values.values())


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_access_log_has_a_line_of_each_request(start, log_format):
    daemon = start("basic", WORKERS="1", ACCESS_LOG="1", LOG_FORMAT=log_format)
    daemon.post("sum", headers={"X-Request-Id": "my-own"})
    line = daemon.wait_for(r"(?m)^.*my-own.*$")
    if log_format == "text":
        assert re.search(r'\[ACCESS\] 127\.0\.0\.1 "POST /sum" 200 \d+ \d+\.\d+ms my-own', line)
        return
    lines = [json.loads(line) for line in daemon.text().splitlines()]
    entry = next(entry for entry in lines if entry.get("request_id") == "my-own")
    assert (entry["status"], entry["path"], entry["method"]) == (200, "/sum", "POST")
    assert 0 <= entry["ms"] < 1000
    assert {"time", "level", "pid", "logger"} <= entry.keys()
    assert any("gunicorn" in entry["logger"] for entry in lines)


@pytest.mark.slow
def test_hostile_text_stays_in_its_log_line(start):
    daemon = start("basic", WORKERS="1", ACCESS_LOG="1")
    requests.post(f"{daemon.url}/a%0Ab\x1b[31m", headers={"X-Request-Id": "x y"}, data=b"{}", timeout=5)
    line = daemon.wait_for(r"(?m)^.*/a%0Ab.*$")
    assert "\x1b" not in line
    assert "x y" not in line
