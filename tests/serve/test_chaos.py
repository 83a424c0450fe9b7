"""Everything goes wrong at once, under full load: no request is lost, and no answer is wrong."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from waiting import until
from wire import CI, Broken, Wire, message, post

from common_utils.tables import Table
from common_utils.training import Job, fit_classifier, save
from utils.binaries import save_model

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("CHAOS_SECONDS") or (15 if CI else 5))
SEED = int(os.environ.get("CHAOS_SEED") or 1)
CLIENTS = 8
AFTER_KILL = 2.0  # seconds after the end of a worker in which its clients may find their connections broken
STALE_SECONDS = 5.0  # after a version was first seen, the one before it may still answer for so long

COMPILED = """
from common_utils.predicting import classify, instances_of
from utils.binaries import load_model


def predict(msg):
    return classify(load_model("compiled"), instances_of(msg))
"""
PICKLED = """
from utils.binaries import load_model


def predict(msg):
    return {"predictions": [load_model("pickled")["answer"]] * len(msg.payload["instances"])}
"""
HISTORICAL = """
import pickle

with open("models/historical.pkl", "rb") as file:
    MODEL = pickle.load(file)


def predict(msg):
    return {"predictions": [MODEL["answer"]]}
"""


def train_compiled(number: int) -> str:
    """A real one, whose classes say which version it is."""
    from sklearn.naive_bayes import GaussianNB

    rows = [[float(size), float(size % 7)] for size in range(60)]
    labels = [f"{number} low" if size < 30 else f"{number} high" for size in range(60)]
    table = Table(Path("rows"), ("size", "rest"), rows, labels)
    model = fit_classifier(GaussianNB(), table, scale=True)
    with contextlib.redirect_stdout(None):
        return save(Job(Path("rows"), "compiled", {}), model, table)["sha256"]


def train_pickled(number: int) -> str:
    return save_model({"answer": f"{number} low"}, "pickled", metrics={}, sample={"instances": [[1, 1]]})["sha256"]


def train_historical(number: int) -> str:
    return save_model({"answer": f"{number} low"}, "historical", metrics={})["sha256"]


TRAININGS = {"compiled": train_compiled, "pickled": train_pickled, "historical": train_historical}


class Truth:
    """Which versions were ever good, and what was wrong."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}  # route and version -> number
        self.newest = dict.fromkeys(TRAININGS, 0)
        self.first_seen: dict[tuple[str, int], float] = {}
        self.kills: list[float] = []
        self.answered = dict.fromkeys(TRAININGS, 0)
        self.retried = 0
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def train(self, route: str) -> None:
        number = self.newest[route] + 1
        # Known before it can answer: training writes last what the server waits for, but clients are quick.
        sha256 = TRAININGS[route](number)
        self.numbers[route, sha256[:12]] = number
        self.newest[route] = number

    def check(self, route: str, answer, sent: float) -> None:
        if answer.status != 200:
            self.wrong.append(f"{route}: {answer.status} {answer.body[:300]!r}")
            return
        version, label = answer.headers.get("x-model-version"), answer.payload["predictions"][0]
        until(lambda: (route, version) in self.numbers, 5)  # it is trained before it is noted
        number = self.numbers[route, version]
        if label != f"{number} low":
            self.wrong.append(f"{route}: version {version} is number {number}, and says {label!r}")
            return
        with self._lock:
            self.answered[route] += 1
            self.first_seen.setdefault((route, number), sent)
            newer = self.first_seen.get((route, number + 1))
        if newer is not None and sent - newer > STALE_SECONDS:
            self.wrong.append(f"{route}: number {number}, {sent - newer:.1f} s after the next one")

    def is_excused(self, sent: float) -> bool:
        """Whether a worker was killed while a request was on its way, or shortly before."""
        return any(kill + AFTER_KILL > sent for kill in self.kills)


def client(url: str, truth: Truth, over: threading.Event, seed: int) -> None:
    chance = random.Random(seed)
    with Wire(url) as wire:
        while not over.is_set():
            route = chance.choice(list(TRAININGS))
            request = post(f"/{route}", message([[1.0, 1.0]] * chance.choice((1, 1, 1, 20))))
            for attempt in (1, 2):
                sent = time.monotonic()
                try:
                    truth.check(route, wire.ask(request), sent)
                    break
                except (Broken, OSError) as error:
                    wire.close()
                    if attempt == 2 or not truth.is_excused(sent):
                        truth.wrong.append(f"{route}: lost at attempt {attempt}: {error!r}")
                    truth.retried += 1


class Chaos:
    """What goes wrong. Each method is one thing; those that break a model leave a good one in the end."""

    def __init__(self, daemon, truth: Truth, seed: int) -> None:
        self._daemon, self._truth = daemon, truth
        self._chance = random.Random(seed)
        self._models = daemon.folder / "models"

    def run(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        actions = [self.kill, self.kill, self.renew, self.renew, self.corrupt, self.litter, self.hang_up, self.kill_new]
        while time.monotonic() < deadline:
            self._chance.choice(actions)()
            time.sleep(self._chance.uniform(0, 0.5))
        for route in TRAININGS:
            self._truth.train(route)

    def kill(self) -> None:
        if workers := self._daemon.workers():
            self._kill(self._chance.choice(workers))

    def renew(self) -> None:
        self._truth.train(self._chance.choice(list(TRAININGS)))

    def corrupt(self) -> None:
        """Broken in one of four ways, for a while or until the next training."""
        name = self._chance.choice(list(TRAININGS))
        binary, record = self._models / f"{name}.pkl", self._models / f"{name}.json"
        kind = self._chance.randrange(4)
        if kind == 0:
            binary.write_bytes(binary.read_bytes()[:-7])
        elif kind == 1:
            binary.write_bytes(self._chance.randbytes(500))
        elif kind == 2:
            record.write_text(record.read_text().replace('"sha256": "', '"sha256": "0'))
        else:
            with binary.open("wb") as file:
                for _ in range(5):
                    file.write(b"\x80\x04half")
                    file.flush()
                    time.sleep(0.1)
        time.sleep(self._chance.uniform(0, 1.5))
        self._truth.train(name)

    def litter(self) -> None:
        for _ in range(200):
            (self._models / f"notes-{self._chance.getrandbits(32)}.txt").write_text("unrelated")
        names = iter(f"odd-{self._chance.getrandbits(32)}.pkl" for _ in range(4))
        os.mkfifo(self._models / next(names))
        (self._models / next(names)).symlink_to("nowhere")
        (self._models / next(names)).mkdir()
        with socket.socket(socket.AF_UNIX) as unix, contextlib.chdir(self._models):
            unix.bind(next(names))

    def hang_up(self) -> None:
        """The signal that everybody sends to gunicorn's master, to the one below our supervisor."""
        for arbiter in self._daemon.workers(parents=True):
            with contextlib.suppress(ProcessLookupError):
                os.kill(arbiter, signal.SIGHUP)

    def kill_new(self) -> None:
        """The process that loads new models, as soon as it is there."""
        before = set(self._daemon.workers(parents=True))
        self.renew()
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if new := set(self._daemon.workers(parents=True)) - before:
                time.sleep(self._chance.uniform(0, 0.05))
                self._kill(new.pop())
                return
            time.sleep(0.002)

    def _kill(self, pid: int) -> None:
        self._truth.kills.append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._truth.kills.append(time.monotonic())


@pytest.fixture
def daemon(tmp_path, start):
    (tmp_path / ".s2i").mkdir()
    (tmp_path / ".s2i/environment").write_text(
        "ROUTES=" + ",".join(f"{name}:shop.{name}.predict:predict" for name in TRAININGS) + "\n"
    )
    for name, source in (("compiled", COMPILED), ("pickled", PICKLED), ("historical", HISTORICAL)):
        (tmp_path / f"shop/{name}/test").mkdir(parents=True)
        (tmp_path / f"shop/{name}/predict.py").write_text(source)
        (tmp_path / f"shop/{name}/test/test_instances.json").write_bytes(message([[1.0, 1.0]]))
    with contextlib.chdir(tmp_path):
        truth = Truth()
        for route in TRAININGS:
            truth.train(route)
        daemon = start(tmp_path, WORKERS="3", PYTHONPATH=str(ROOT))
        yield daemon, truth


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def settled(daemon, truth: Truth) -> bool:
    if len(daemon.family()) != 5:
        return False
    with contextlib.suppress(requests.RequestException):
        ready = requests.get(f"{daemon.url}/readyz", timeout=5)
        served = {route: facts["version"] for route, facts in ready.json()["routes"].items()}
        newest = {route: truth.numbers.get((route, version)) for route, version in served.items()}
        return ready.status_code == 200 and newest == truth.newest
    return False


def counts(daemon) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in text_string_to_metric_families(requests.get(f"{daemon.url}/metrics", timeout=5).text):
        for sample in one.samples:
            key = sample.labels.get("route", "")
            by_route = found.setdefault(sample.name, {})
            by_route[key] = by_route.get(key, 0) + sample.value
    return found


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_nothing_is_lost_and_no_answer_is_wrong_whatever_happens(daemon):
    daemon, truth = daemon
    assert settled(daemon, truth), requests.get(f"{daemon.url}/readyz", timeout=5).text
    time.sleep(1)
    files = sorted(map(open_files, daemon.family()))
    over = threading.Event()
    clients = [threading.Thread(target=client, args=(daemon.url, truth, over, SEED + n)) for n in range(CLIENTS)]
    for thread in clients:
        thread.start()
    try:
        Chaos(daemon, truth, SEED).run(SECONDS)
        until(lambda: settled(daemon, truth), 90)  # the clients take what cores there are
    finally:
        over.set()
        for thread in clients:
            thread.join()
    print(f"{truth.answered} answered, {truth.retried} retried, {len(truth.kills) // 2} kills, {truth.newest} versions")
    assert truth.wrong == [], daemon.text()[-5000:]
    assert min(truth.answered.values()) > 100
    time.sleep(2.5)  # connections that are closed are noticed, those of the last generation end
    counted = counts(daemon)
    for route, answered in truth.answered.items():
        assert counted["trainyard_requests_total"][route] >= answered
        # A worker that is killed between two additions has made one of them.
        uneven = counted["trainyard_request_seconds_count"][route] - counted["trainyard_requests_total"][route]
        assert abs(uneven) <= len(truth.kills) // 2
    assert counted.get("trainyard_in_flight", {}) == {}
    assert counted["trainyard_workers"][""] == 3
    assert counted["trainyard_connections"][""] <= 1
    until(lambda: sorted(map(open_files, daemon.family())) == files, 5)
    group = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if in_group(stat, daemon.process.pid)]
    assert sorted(group) == sorted(daemon.family()), "a process is left over"
    assert daemon.stop() == 0


def in_group(stat: Path, group: int) -> bool:
    with contextlib.suppress(OSError):
        return int(stat.read_text().rpartition(")")[2].split()[2]) == group
    return False
