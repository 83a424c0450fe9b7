"""Too much, too slow, and functions that end their process."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from waiting import until

pytestmark = pytest.mark.slow

PREDICT = """
import os
import time


def slow(msg):
    time.sleep(msg.payload["instances"][0][0])
    return {"predictions": ["done"]}


def deadly(msg):
    if msg.payload["instances"][0][0] == "die":
        os.abort()
    if msg.payload["instances"][0][0] == "leave":
        os._exit(3)
    return {"predictions": [os.getpid()]}


def quick(msg):
    return {"predictions": [sum(row) for row in msg.payload["instances"]]}
"""


@pytest.fixture
def mixed(start, tmp_path):
    """``mixed(**environ)``: routes ``slow``, ``deadly`` and ``quick`` of one module."""
    (tmp_path / ".s2i").mkdir()
    routes = ",".join(f"{name}:m.predict:{name}" for name in ("slow", "deadly", "quick"))
    (tmp_path / ".s2i/environment").write_text(f"ROUTES={routes}\n")
    (tmp_path / "m/test").mkdir(parents=True)
    (tmp_path / "m/predict.py").write_text(PREDICT)
    (tmp_path / "m/test/test_instances.json").write_text('{"payload": {"instances": [[0.02]]}}')
    return lambda **environ: start(tmp_path, **({"WORKERS": "2"} | environ))


def test_more_than_can_be_answered_in_time_is_refused_at_once(mixed):
    daemon = mixed(WORKERS="1", THREADS="2", MAX_WAIT="1", BATCH="0")
    seconds = {200: [], 503: []}

    def ask(_number):
        started = time.monotonic()
        answer = daemon.post("slow", [[0.2]])
        seconds[answer.status_code].append(time.monotonic() - started)
        return answer

    for _ in range(3):  # learns how long a call takes
        ask(0)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(ask, range(40)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert all(1 <= int(answer.headers["Retry-After"]) <= 10 for answer in refused)
    assert all("overloaded" in answer.json()["payload"]["error"] for answer in refused)
    assert max(seconds[200]) < 3  # and not the 4 seconds that all of them would take
    assert len(seconds[200]) > 5
    assert daemon.post("quick", [[1, 2]]).json()["payload"]["predictions"] == [3]


def test_a_prediction_that_hangs_is_answered_and_its_worker_replaced_while_others_serve(mixed):
    daemon = mixed(TIMEOUT="2", STOP_TIMEOUT="2")
    before = set(daemon.all_workers(2))
    over = threading.Event()
    lost = []

    def go_on():
        with requests.Session() as session:
            while not over.is_set():
                answer = session.post(f"{daemon.url}/quick", json={"payload": {"instances": [[1, 2]]}}, timeout=10)
                if answer.status_code != 200:
                    lost.append(answer.text)

    thread = threading.Thread(target=go_on)
    thread.start()
    started = time.monotonic()
    answer = daemon.post("slow", [[60]])
    assert answer.status_code == 504
    assert "TIMEOUT=2" in answer.json()["payload"]["error"]
    assert 1.5 < time.monotonic() - started < 5
    until(lambda: len(set(daemon.workers()) & before) == 1, 10)
    over.set()
    thread.join()
    assert len(set(daemon.workers()) & before) == 1
    assert not lost


def test_a_route_that_ends_its_process_again_and_again_is_taken_out_of_service(mixed):
    daemon = mixed()
    refused = None
    for _ in range(6):
        try:
            refused = daemon.post("deadly", [["die"]])
            break
        except requests.ConnectionError:
            time.sleep(0.3)
    assert refused is not None, "it still ends its process"
    assert refused.status_code == 503
    assert "out of service" in refused.json()["payload"]["error"]
    assert int(refused.headers["Retry-After"]) > 30
    ready = requests.get(f"{daemon.url}/readyz", timeout=5)
    assert ready.status_code == 503
    assert "out of service" in ready.json()["routes"]["deadly"]["reason"]
    assert requests.get(f"{daemon.url}/readyz/quick", timeout=5).status_code == 200
    assert daemon.post("quick", [[1, 2]]).json()["payload"]["predictions"] == [3]
    assert daemon.process.poll() is None


def test_no_exit_status_of_a_function_ends_more_than_its_worker(mixed):
    """gunicorn takes a worker's 3 and 4 for its own, and gives all of them up."""
    daemon = mixed()
    parents = daemon.workers(parents=True)
    with pytest.raises(requests.ConnectionError):
        daemon.post("deadly", [["leave"]])
    assert daemon.post("quick", [[1, 2]]).json()["payload"]["predictions"] == [3]
    assert daemon.workers(parents=True) == parents


def test_killing_workers_takes_no_route_out_of_service(mixed):
    daemon = mixed(WORKERS="1")
    for _ in range(4):
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(daemon.post, "slow", [[5]])
            while 'in_flight{route="slow"} 1' not in requests.get(f"{daemon.url}/metrics", timeout=10).text:
                assert not asked.done()
            os.kill(daemon.workers()[0], signal.SIGKILL)
            with pytest.raises(requests.ConnectionError):
                asked.result()
    assert daemon.post("slow", [[0.01]]).status_code == 200


def test_a_worker_that_is_stopped_is_replaced_while_the_other_serves(mixed):
    daemon = mixed(TIMEOUT="2")
    frozen = daemon.workers()[0]
    os.kill(frozen, signal.SIGSTOP)
    for _ in range(10):
        assert daemon.post("quick", [[1, 2]]).status_code == 200
    until(lambda: frozen not in daemon.workers() and len(daemon.workers()) == 2, 40, daemon.workers)
