"""Processes that predict functions start: they work, have nothing of the server's, and end with it."""

import contextlib
import os
import signal
import time
from ast import literal_eval
from pathlib import Path

import pytest
import requests
from waiting import until

SECONDS = 10


@pytest.fixture(scope="module")
def daemon(start):
    return start("children", WORKERS="1")


def predictions(daemon, route, *row):
    return daemon.post(route, [row or (1,)]).json()["payload"]["predictions"]


def settled(daemon):
    """All processes, once the worker that another test has ended is replaced."""
    until(lambda: predictions(daemon, "pid") == daemon.workers(), SECONDS)
    return daemon.family()


def is_running(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def ends(pid):
    return until(lambda: not is_running(pid), SECONDS)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_in_a_function_works_request_after_request(daemon, method):
    for _ in range(5):
        assert predictions(daemon, "pool", method) == [2, 4, 6]


def test_a_fork_has_default_handlers_no_blocked_signals_and_no_wakeup_descriptor(daemon):
    (found,) = predictions(daemon, "handlers")
    assert literal_eval(found) == ([], [], -1)


def test_a_fork_has_none_of_the_servers_sockets(daemon):
    assert predictions(daemon, "sockets", "fork") == ["[]"]


def test_a_program_inherits_no_socket_that_went_from_worker_to_worker(start):
    daemon = start("children", WORKERS="2")
    with requests.Session() as session:
        body = {"payload": {"instances": [["program"]]}}
        first = session.post(f"{daemon.url}/pid", json=body, timeout=20).json()["payload"]["predictions"][0]
        os.kill(first, signal.SIGTERM)  # hands its connections over
        assert ends(first)
        assert session.post(f"{daemon.url}/pid", json=body, timeout=20).json()["payload"]["predictions"] != [first]
        assert session.post(f"{daemon.url}/sockets", json=body, timeout=20).json()["payload"]["predictions"] == []


@pytest.mark.parametrize("status", [0, 3])
def test_a_fork_that_comes_back_is_no_second_server(daemon, status):
    workers = daemon.workers()
    for _ in range(5):
        assert predictions(daemon, "fork", status) == [status]
    assert daemon.workers() == workers


@pytest.mark.parametrize("route", ["stray", "sleeper", "stubborn"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_worker_started_ends_with_it(daemon, route, number):
    child, worker = predictions(daemon, route)
    assert is_running(child)
    os.kill(worker, number)
    assert ends(worker)
    assert ends(child)
    assert predictions(daemon, "pid") != [worker]


@pytest.mark.slow
def test_what_goes_into_the_background_stays_as_long_as_the_server(start):
    daemon = start("children", WORKERS="1")
    child, worker = predictions(daemon, "background")
    time.sleep(2)  # longer than anything is waited for that has just lost its worker
    os.kill(worker, signal.SIGKILL)
    assert ends(worker)
    assert predictions(daemon, "pid") != [worker]
    time.sleep(1)
    assert is_running(child)
    assert daemon.stop() == 0
    assert ends(child)


def test_nothing_outlives_the_server(start):
    daemon = start("children", WORKERS="1", STOP_TIMEOUT="5")
    children = [predictions(daemon, route)[0] for route in ("stray", "sleeper", "stubborn", "background")]
    assert all(map(is_running, children))
    assert daemon.stop(seconds=8) == 0
    assert not [child for child in children if not ends(child)]


def test_signals_that_a_function_has_taken_are_given_back(daemon):
    # Signals can be taken in the event loop alone, which calls a function once it has been quick.
    answer = until(lambda: (answer := daemon.post("take")).status_code == 200 and answer, SECONDS)
    (worker,) = answer.json()["payload"]["predictions"]
    daemon.wait_for("has taken the worker's signals")
    os.kill(worker, signal.SIGTERM)
    assert ends(worker)


CONVENTIONS = ["SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGTTIN", "SIGTTOU", "SIGALRM", "SIGPIPE"]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_signals_with_a_meaning_elsewhere_end_nothing(daemon, name):
    family = settled(daemon)
    for pid in family:
        os.kill(pid, signal.Signals[name])
    time.sleep(0.3)
    assert daemon.post("pid").status_code == 200
    assert daemon.family() == family
