"""A new model takes over without a lost request; a bad one does not take over."""

import contextlib
import json
import os
import pickle
import signal
import threading
import time
from itertools import groupby
from pathlib import Path

import pytest
import requests
from waiting import until

from trainyard.image.serve.shared.kernel import resident_bytes
from utils.binaries import save_model

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

PREDICT = """
from utils.binaries import load_model, served_model_name


def predict(msg):
    model = load_model(served_model_name("{name}"))
    return {{"predictions": [model["answer"]] * len(msg.payload["instances"])}}
"""

HISTORICAL = """
import os
import pickle

with open("models/old.pkl", "rb") as file:
    MODEL = pickle.load(file)


def predict(msg):
    if MODEL["answer"] == "deadly":
        os.abort()
    return {"predictions": [MODEL["answer"]]}
"""


def write_model(folder, name, answer):
    """As training does: a binary and its record, by the library of the images."""
    with contextlib.chdir(folder):
        return save_model({"answer": answer}, name, metrics={"accuracy": 1}, sample={"instances": [[1]]})["sha256"]


@pytest.fixture
def shop(tmp_path, start):
    """``shop(**environ)``: a daemon of three routes, of which the third loads its pickle when it is imported."""
    (tmp_path / ".s2i").mkdir()
    routes = ",".join(f"{name}:shop.{name}.predict:predict" for name in ("one", "two", "old"))
    (tmp_path / ".s2i/environment").write_text(f"ROUTES={routes}\n")
    for name, source in (("one", PREDICT), ("two", PREDICT), ("old", HISTORICAL)):
        (tmp_path / f"shop/{name}/test").mkdir(parents=True)
        (tmp_path / f"shop/{name}/predict.py").write_text(source.format(name=name) if source is PREDICT else source)
        (tmp_path / f"shop/{name}/test/test_instances.json").write_text('{"payload": {"instances": [[1]]}}')
    for name in ("one", "two"):
        write_model(tmp_path, name, f"{name} 1")
    (tmp_path / "models/old.pkl").write_bytes(pickle.dumps({"answer": "old 1"}))

    def run(**environ):
        return start(tmp_path, PYTHONPATH=os.pathsep.join(map(str, [ROOT])), **({"WORKERS": "2"} | environ))

    run.folder = tmp_path
    return run


def answer(daemon, route):
    return daemon.post(route, [[1]]).json()["payload"]["predictions"][0]


def test_a_new_model_takes_over_in_every_worker_and_no_request_is_lost(shop):
    daemon = shop()
    seen, lost, over = [], [], threading.Event()

    def client():
        with requests.Session() as session:
            while not over.is_set():
                try:
                    response = session.post(f"{daemon.url}/one", json={"payload": {"instances": [[1]]}}, timeout=10)
                    seen.append((response.status_code, response.json()["payload"].get("predictions")))
                except (requests.RequestException, ValueError) as error:
                    lost.append(error)

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        for number in (2, 3):
            write_model(daemon.folder, "one", f"one {number}")
            until(lambda number=number: seen[-40:] == [(200, [f"one {number}"])] * 40)
    finally:
        over.set()
        for thread in clients:
            thread.join()
    assert not lost
    answers = [given for status, given in seen if status == 200]
    assert len(answers) == len(seen)
    order = [key for key, _ in groupby(given[0] for given in answers)]
    assert set(order) == {"one 1", "one 2", "one 3"}
    assert answer(daemon, "two") == "two 1"


@pytest.mark.parametrize("share", ["1", "0"])
def test_a_broken_model_is_refused_and_the_old_one_serves_on(shop, share):
    daemon = shop(SHARE=share)
    record = daemon.folder / "models/one.json"
    record.write_text(record.read_text().replace('"model_name": "one"', '"model_name": "x"'))
    daemon.wait_for("keeps the model that it has.*its record says it is 'x'")
    assert {answer(daemon, "one") for _ in range(10)} == {"one 1"}
    write_model(daemon.folder, "one", "one 2")
    until(lambda: answer(daemon, "one") == "one 2")


def test_one_broken_model_does_not_hold_up_another(shop):
    daemon = shop()
    (daemon.folder / "models/one.pkl").write_bytes(b"no pickle")
    write_model(daemon.folder, "two", "two 2")
    until(lambda: answer(daemon, "two") == "two 2")
    assert answer(daemon, "one") == "one 1"


def test_a_worker_that_dies_is_replaced_by_one_with_the_model_that_was_good(shop):
    daemon = shop()
    (daemon.folder / "models/one.pkl").write_bytes(b"no pickle")
    daemon.wait_for("keeps the model that it has")
    workers = set(daemon.all_workers(2))
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(set(daemon.workers()) - workers) == 2)
    assert {answer(daemon, "one") for _ in range(10)} == {"one 1"}


def test_a_historical_function_gets_its_new_binary_too(shop):
    daemon = shop()
    (daemon.folder / "models/next").write_bytes(pickle.dumps({"answer": "old 2"}))
    (daemon.folder / "models/next").rename(daemon.folder / "models/old.pkl")
    until(lambda: answer(daemon, "old") == "old 2")


def test_a_model_that_ends_its_process_is_refused(shop):
    daemon = shop()
    (daemon.folder / "models/old.pkl").write_bytes(pickle.dumps({"answer": "deadly"}))
    daemon.wait_for("route /old keeps the model that it has: loading it ended the process .SIGABRT.")
    assert answer(daemon, "old") == "old 1"
    write_model(daemon.folder, "two", "two 2")
    until(lambda: answer(daemon, "two") == "two 2")
    assert answer(daemon, "old") == "old 1"


def test_files_that_change_all_the_time_hold_up_no_new_model(shop):
    daemon = shop()
    over = threading.Event()

    def write_on():
        while not over.wait(0.05):
            with (daemon.folder / "models/training.log").open("a") as log:
                log.write("another epoch\n")

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        write_model(daemon.folder, "one", "one 2")
        until(lambda: answer(daemon, "one") == "one 2")
    finally:
        over.set()
        thread.join()


def test_a_hangup_loads_new_models_whichever_process_gets_it(shop):
    daemon = shop(WATCH="0")
    for number, asked in enumerate((lambda: [daemon.process.pid], lambda: daemon.workers(parents=True)), 2):
        write_model(daemon.folder, "one", f"one {number}")
        os.kill(asked()[0], signal.SIGHUP)
        until(lambda number=number: answer(daemon, "one") == f"one {number}")
        until(lambda: len(daemon.family()) == 4)


def test_loading_that_is_killed_is_tried_again(shop):
    daemon = shop()
    before = set(daemon.workers(parents=True))
    write_model(daemon.folder, "one", "one 2")
    until(lambda: set(daemon.workers(parents=True)) - before)
    for pid in set(daemon.workers(parents=True)) - before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: answer(daemon, "one") == "one 2")


def test_idle_connections_go_over_to_the_new_workers(shop):
    daemon = shop()
    with requests.Session() as session:
        for _ in range(3):
            first = session.get(f"{daemon.url}/health", timeout=5, stream=True)
            address = first.raw.connection.sock.getsockname()
            first.content  # noqa: B018 -- reads it
        write_model(daemon.folder, "one", "one 2")
        until(lambda: answer(daemon, "one") == "one 2")
        time.sleep(1.5)  # idle for longer than a drain would wait
        again = session.get(f"{daemon.url}/health", timeout=5, stream=True)
        assert again.raw.connection.sock.getsockname() == address


def test_the_server_is_started_again_where_it_is_killed(shop):
    daemon = shop()
    os.kill(daemon.workers(parents=True)[0], signal.SIGKILL)
    daemon.wait_for("it is started again")
    until(lambda: answer(daemon, "one") == "one 1")
    assert json.loads(requests.get(f"{daemon.url}/health", timeout=5).text) == {"status": "ok"}


def test_the_version_that_answers_is_in_a_header(shop):
    sha256 = write_model(shop.folder, "one", "one 1")
    daemon = shop()
    assert daemon.post("one", [[1]]).headers["X-Model-Version"] == sha256[:12]
    sha256 = write_model(daemon.folder, "one", "one 2")
    until(lambda: daemon.post("one", [[1]]).headers["X-Model-Version"] == sha256[:12])
    assert answer(daemon, "one") == "one 2"
    assert requests.get(f"{daemon.url}/readyz/one", timeout=5).json()["routes"]["one"]["version"] == sha256[:12]


def test_a_refused_model_is_shown_until_a_good_one_comes(shop):
    daemon = shop()
    (daemon.folder / "models/one.pkl").write_bytes(b"no pickle")
    daemon.wait_for("keeps the model that it has")

    def shown():
        ready = requests.get(f"{daemon.url}/readyz", timeout=5)
        assert ready.status_code == 200
        refused = "trainyard_model_refused" in requests.get(f"{daemon.url}/metrics", timeout=5).text
        assert refused == ("refused" in ready.json()["routes"]["one"])
        return refused

    assert shown()
    write_model(daemon.folder, "two", "two 2")
    until(lambda: answer(daemon, "two") == "two 2")
    assert shown()
    write_model(daemon.folder, "one", "one 2")
    until(lambda: answer(daemon, "one") == "one 2")
    until(lambda: not shown())


@pytest.mark.slow
def test_many_swaps_leave_the_memory_as_it_was(shop):
    daemon = shop(WATCH="0")

    def swap(number):
        write_model(daemon.folder, "one", f"one {number}")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: answer(daemon, "one") == f"one {number}")
        until(lambda: len(daemon.workers(parents=True)) == 1)  # nothing is left of the one before
        daemon.all_workers(2)

    def memory():
        return sum(resident_bytes(pid) for pid in daemon.family())

    for number in range(5):
        swap(number)
    before = memory()
    for number in range(5, 25):
        swap(number)
    assert memory() < 1.1 * before


def test_a_worker_that_was_replaced_gets_its_share_of_lasting_connections(shop):
    daemon = shop()
    over = threading.Event()

    def client():
        with requests.Session() as session:
            while not over.is_set():
                session.post(f"{daemon.url}/one", json={"payload": {"instances": [[1]]}}, timeout=10)
                time.sleep(0.02)

    frozen, busy = daemon.all_workers(2)
    os.kill(frozen, signal.SIGSTOP)  # so the other one takes them all
    threads = [threading.Thread(target=client) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: connections_of(busy) == 12)
        os.kill(frozen, signal.SIGKILL)
        until(lambda: {connections_of(pid) for pid in daemon.workers()} == {6})
    finally:
        over.set()
        for thread in threads:
            thread.join()


def connections_of(pid):
    """Established connections whose socket this process holds."""
    inodes = set()
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(fd.readlink())[8:-1])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[3] == "01" and line[9] in inodes for line in lines)
