"""Drift closes the loop: a server counts rows unlike those of the training, and a training is asked for."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http.server import HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monorepo import Client, Model, free_port
from servers import Quiet, answering

from retrain.receiving import receiver, silent
from retrain.watched import Watched, at, ticked
from trainyard.host.retrain.triggers.drift_state import DriftState, read_state

MODEL = "sums/one"
NOON = at("2026-11-30 12:00")
SCHEMA = {
    "columns": [
        {"name": "a", "type": "number", "minimum": 1, "maximum": 3, "integer": True},
        {"name": "b", "type": "number", "minimum": 2, "maximum": 4, "integer": True},
    ]
}


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.fixture
def served(watched: Watched) -> Iterator[tuple[Model, int]]:
    """A model that knows what its training has seen, and the port of its server."""
    model = watched.repo.add_model("one")
    watched.repo.make(model, "train").succeeded()
    model.record.write_text(json.dumps(json.loads(model.record.read_text()) | {"schema": SCHEMA}))
    with watched.repo.serving(model) as port:
        yield model, port


def counted(port: int) -> dict[str, float]:
    """Of each column, as the page of the server says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith('trainyard_drift_total{route="one/predict"'))
    return {name.partition('column="')[2].rstrip('"}'): float(value) for name, _, value in found}


def section(port: int, threshold: int, of: str = "") -> str:
    return f"{{on_drift: {{server: 'http://127.0.0.1:{port}', threshold: {threshold}, of: '{of}'}}}}"


def test_rows_that_drift_ask_for_a_training(watched: Watched, served: tuple[Model, int]) -> None:
    model, port = served
    watched.configure(model, section(port, 10))
    watcher = watched.watcher(pause=3600)
    with Client(port, "one/predict") as client:
        client.post([[1, 2], [3, 4]])
        ticked(watcher, NOON)
        for _ in range(3):
            client.post([[9, 2], [2, 99], [7, -7]])
        assert counted(port) == {"a": 6, "b": 6}
        ticked(watcher, NOON)
        ticked(watcher, NOON)
        assert watched.asked == [(MODEL, "drift")], watched.warnings
        # More of it, too early after the last training; then late enough, and after a restart of the service.
        for _ in range(3):
            client.post([[9, 99], [9, 99]])
        ticked(watcher, NOON + timedelta(minutes=59))
        assert len(watched.asked) == 1
        again = watched.watcher(pause=3600)
        ticked(again, NOON + timedelta(minutes=61))
        ticked(again, NOON + timedelta(minutes=180))
    assert watched.asked == [(MODEL, "drift")] * 2
    assert not watched.warnings


@pytest.mark.slow
def test_one_column_alone_may_count(watched: Watched, served: tuple[Model, int]) -> None:
    model, port = served
    watched.configure(model, section(port, 3, "b"))
    watcher = watched.watcher()
    with Client(port, "one/predict") as client:
        client.post([[99, 2]] * 20 + [[1, 99]] * 2)
        ticked(watcher, NOON)
        assert watched.asked == []
        client.post([[1, 99]])
        ticked(watcher, NOON)
    assert watched.asked == [(MODEL, "drift")]


def test_a_server_that_began_anew_counts_on(watched: Watched, served: tuple[Model, int]) -> None:
    model, port = served
    watched.configure(model, section(port, 10))
    watcher = watched.watcher()
    with Client(port, "one/predict") as client:
        client.post([[9, 2]] * 6)
        ticked(watcher, NOON)
    watched.repo.make(model, "stop").succeeded()
    ticked(watcher, NOON)
    ticked(watcher, NOON)
    assert len(watched.warnings) == 1, watched.warnings
    assert f"sums/one: drift: http://127.0.0.1:{port}/metrics: " in watched.warnings[0]
    watched.repo.make(model, "predict", "DETACH=1", f"PORT={port}").succeeded()
    with Client(port, "one/predict") as client:
        client.post([[9, 2]] * 3)
        ticked(watcher, NOON)
        assert watched.asked == []
        client.post([[9, 2]])
        ticked(watcher, NOON)
    assert watched.asked == [(MODEL, "drift")]


@pytest.mark.slow
def test_a_training_for_another_reason_counts_anew(watched: Watched, served: tuple[Model, int]) -> None:
    model, port = served
    watched.configure(model, section(port, 10))
    watcher = watched.watcher()
    with Client(port, "one/predict") as client:
        client.post([[9, 2]] * 8)
        ticked(watcher, NOON)
        watcher.trained(MODEL)
        watcher.trained("sums/unheard_of")
        client.post([[9, 2]] * 8)
        ticked(watcher, NOON)
        assert watched.asked == []
        client.post([[9, 2]] * 2)
        ticked(watcher, NOON)
    assert watched.asked == [(MODEL, "drift")]


@pytest.mark.slow
def test_a_training_that_was_not_taken_is_asked_for_again(watched: Watched, served: tuple[Model, int]) -> None:
    model, port = served
    watched.configure(model, section(port, 5))
    watcher = watched.watcher(pause=3600)
    watched.refuses = "1000 jobs wait already"
    with Client(port, "one/predict") as client:
        client.post([[9, 2]] * 8)
    ticked(watcher, NOON)
    watched.refuses = ""
    ticked(watcher, NOON)
    ticked(watcher, NOON)
    assert watched.asked == [(MODEL, "drift")]


@pytest.mark.slow
def test_a_server_of_other_models_is_named(watched: Watched, served: tuple[Model, int]) -> None:
    _, port = served
    other = watched.repo.add_model("other")
    watched.configure(other, section(port, 1))
    ticked(watched.watcher(), NOON)
    (warning,) = watched.warnings
    assert "it serves no route of this model (other/predict): correct retrain.on_drift.server" in warning


class _Odd(Quiet):
    """Answers with what is no page of metrics."""

    def do_GET(self) -> None:  # noqa: N802 -- http.server's name
        body = b"<html>hello</html>\n{{{\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Dribbling(Quiet):
    """Sends a byte now and then, for half a minute."""

    def do_GET(self) -> None:  # noqa: N802
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        ended = threading.Event()
        with contextlib.suppress(OSError):
            for _ in range(300):
                self.wfile.write(b"#")
                ended.wait(0.1)


def test_servers_that_say_nothing_useful_are_one_line_each(watched: Watched) -> None:
    servers = [HTTPServer(("127.0.0.1", 0), handler) for handler in (_Odd, _Dribbling)]
    with receiver() as failing, silent() as port, answering(servers[0]) as odd, answering(servers[1]) as dribbling:
        failing.status = 503
        ports = {"failing": failing.port, "silent": port, "gone": free_port()}
        ports |= {"odd": odd.server_port, "dribbling": dribbling.server_port}
        for name, its in ports.items():
            watched.model(name, section(its, 1))
        watcher = watched.watcher(timeout=1)
        for _ in range(2):
            ticked(watcher, NOON)
    lines = {line.split(":")[0]: line for line in watched.warnings}
    assert len(watched.warnings) == 5, watched.warnings
    assert "status 503" in lines["sums/failing"]
    assert "no answer in 1 s: RETRAIN_POLL_TIMEOUT" in lines["sums/silent"]
    assert "no answer in 1 s: RETRAIN_POLL_TIMEOUT" in lines["sums/dribbling"]
    assert "not metrics for Prometheus" in lines["sums/odd"]
    assert "Connection refused" in lines["sums/gone"]
    assert not any("\n" in line for line in watched.warnings)
    assert watched.asked == []


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=30), st.integers(1, 60))
def test_every_value_counts_once_however_often_the_server_begins_anew(
    steps: list[tuple[int, bool]], threshold: int
) -> None:
    """``steps``: how many values drift before a look, and whether the server began anew before them."""
    state, counter, since, asked, expected = DriftState("s"), 0, 0, 0, 0
    for drifted, anew in steps:
        # A server that has counted more than before since it began anew looks as if it had not.
        counter = drifted if anew and drifted < counter else counter + drifted
        since += drifted
        state = read_state(json.loads(json.dumps(state.looked(counter).as_json())), "s")
        if state.is_due(threshold, NOON, 0):
            asked += 1
            state = state.asked_at(NOON)
        if since >= threshold:
            expected, since = expected + 1, 0
        assert (state.since, asked) == (since, expected)
