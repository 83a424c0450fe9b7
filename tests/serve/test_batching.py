"""Requests that wait together are answered together, and nobody can tell."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

PREDICT = """
import time
from trainyard.errors import BadRequest

sizes = []


def slow_sum(msg):
    rows = msg.payload["instances"]
    sizes.append(len(rows))
    time.sleep(0.05)
    for number, row in enumerate(rows):
        if "bad" in row:
            raise BadRequest(f"instances[{number}] is bad")
    return {"predictions": [sum(row) for row in rows], "labels": ["sum"]}


def largest(msg):
    return {"predictions": [max(sizes)]}
"""


def batch_daemon(start, folder, **environ):
    (folder / ".s2i").mkdir()
    (folder / ".s2i/environment").write_text("ROUTES=sum:m.predict:slow_sum,largest:m.predict:largest\n")
    (folder / "m/test").mkdir(parents=True)
    (folder / "m/predict.py").write_text(PREDICT)
    (folder / "m/test/test_instances.json").write_text(json.dumps({"payload": {"instances": [[1, 2], [3, 4]]}}))
    return start(folder, WORKERS="1", **environ)


def ask_many(daemon, bodies):
    with ThreadPoolExecutor(len(bodies)) as pool:
        return [answer.json()["payload"] for answer in pool.map(lambda rows: daemon.post("sum", rows), bodies)]


@pytest.mark.parametrize(("batch", "most"), [("1", 8), ("0", 3)])
def test_waiting_requests_share_a_call_unless_told_not_to(start, tmp_path, batch, most):
    daemon = batch_daemon(start, tmp_path, BATCH=batch)
    answers = ask_many(daemon, [[[number, 1], [number, 2]] for number in range(12)])
    assert answers == [{"predictions": [n + 1, n + 2], "labels": ["sum"]} for n in range(12)]
    largest = daemon.post("largest").json()["payload"]["predictions"][0]
    assert largest >= most if batch == "1" else largest <= most


def test_a_bad_request_among_good_ones_spoils_none_of_them(start, tmp_path):
    daemon = batch_daemon(start, tmp_path)
    answers = ask_many(daemon, [[[0, "bad"]] if number == 5 else [[number, 1]] for number in range(10)])
    assert answers[5] == {"success": False, "error": "instances[0] is bad"}
    assert [a["predictions"] for n, a in enumerate(answers) if n != 5] == [[n + 1] for n in range(10) if n != 5]


@pytest.mark.slow
def test_sigterm_under_load_loses_no_request_that_was_accepted(start, tmp_path):
    daemon = batch_daemon(start, tmp_path)
    lost, answered, refused = [], [], threading.Event()

    def client(number):
        with requests.Session() as session:
            while not refused.is_set():
                try:
                    answer = session.post(
                        f"{daemon.url}/sum", json={"payload": {"instances": [[number, 1]]}}, timeout=20
                    )
                except requests.ConnectionError as error:
                    if "refused" not in str(error):
                        lost.append(error)
                    refused.set()
                else:
                    answered.append(answer.json()["payload"]["predictions"] == [number + 1])

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in clients:
        thread.start()
    time.sleep(0.7)
    daemon.process.send_signal(signal.SIGTERM)
    for thread in clients:
        thread.join(20)
    assert daemon.process.wait(10) == 0
    assert not lost
    assert len(answered) > 20
    assert all(answered)


@pytest.mark.slow
def test_connections_are_spread_evenly_over_the_workers(start):
    daemon = start("basic", WORKERS="2")
    pids = []
    sessions = [requests.Session() for _ in range(10)]
    for _ in range(2):
        for session in sessions:
            answer = session.post(f"{daemon.url}/pid", json={"payload": {"instances": [[1]]}}, timeout=10)
            pids.append(answer.json()["payload"]["predictions"][0])
    counts = {pid: pids.count(pid) for pid in pids}
    assert sorted(counts.values())[0] >= 8
    victim = next(iter(counts))
    os.kill(victim, signal.SIGSTOP)  # hangs: the other worker takes what this one does not
    try:
        for _ in range(4):
            assert requests.get(f"{daemon.url}/health", timeout=10).status_code == 200
    finally:
        os.kill(victim, signal.SIGCONT)
