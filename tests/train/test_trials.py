"""A worker of make tune, spoken to as the host does: lines of JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from train_sources import ENVIRONMENT, PAYLOAD, Sources
from waiting import until

from trainyard.image.train.trial import metrics_of


class Worker:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def say(self, **line: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def trial(self, number: int, **params: Any) -> dict[str, Any]:
        self.say(trial=number, run=f"r{number}", payload={**PAYLOAD, "params": params})
        return self.hear()


@contextmanager
def working(sources: Sources) -> Iterator[Worker]:
    """A worker that is ready, and ends when its standard input does."""
    for number in range(4):
        (sources.root / "runs" / f"r{number}").mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "trainyard.image.train", "trials"], cwd=sources.root, env=ENVIRONMENT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        worker = Worker(process)
        assert worker.hear()["ready"]
        yield worker
        assert process.stdin
        process.stdin.close()
        assert process.wait(30) == 0
    assert not [path.name for path in sources.models.iterdir() if path.name.startswith(".")]


def log(sources: Sources, number: int) -> str:
    return (sources.root / "runs" / f"r{number}" / "log.txt").read_text()


@pytest.fixture
def sources(tmp_path: Any) -> Sources:
    return Sources(tmp_path / "sources")


def test_metrics_come_from_the_result_and_from_the_record(sources: Sources) -> None:
    sources.write(
        """
        open("models/price.pkl", "w").write("trial")
        if msg.payload["params"]["record"]:
            open("models/price.json", "w").write('{"metrics": {"a": 2, "matrix": [1]}}')
        print("seen")
        return {"metrics": {"a": 1, "b": 3}}
        """
    )
    sources.binary.write_text("before")
    with working(sources) as worker:
        assert worker.trial(0, record=False)["metrics"] == {"a": 1, "b": 3}
        assert worker.trial(1, record=True)["metrics"] == {"a": 2, "b": 3}
        assert worker.trial(2, record=False)["metrics"] == {"a": 1, "b": 3}  # nothing is left of the one before
    assert log(sources, 0).startswith("seen\n")
    assert sources.binary.read_text() == "before"
    assert [path.name for path in sources.models.iterdir()] == ["price.pkl"]


def test_each_trial_starts_from_what_was_imported(sources: Sources) -> None:
    head = "import random\nrandom.seed(3)\nCOUNT = []\nHERE = os.path.abspath('models')\nprint('imported')"
    sources.write(
        """
        COUNT.append(1)
        open(HERE + "/price.pkl", "w").write("trial")
        return {"metrics": {"count": len(COUNT), "drawn": random.random(), "pid": os.getpid()}}
        """,
        head,
    )
    with working(sources) as worker:
        first, second = (worker.trial(number)["metrics"] for number in range(2))
    assert first["count"] == second["count"] == 1
    assert first["drawn"] == second["drawn"]
    assert first["pid"] != second["pid"]
    assert "imported" not in log(sources, 0)
    assert not sources.binary.exists()  # a path that was made absolute in the module leads to the staged models/


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise ValueError('no\\nsuch luck')", "ValueError: no such luck"),
        ("sys.exit(3)", "shop.train.train calls sys.exit(3)"),
        ("os._exit(4)", "the train function ended its process (status 4)"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL: is there too little memory?"),
        ("os.abort()", "killed by SIGABRT"),
    ],
)
def test_a_trial_that_ends_badly_is_told_and_the_next_works(sources: Sources, body: str, error: str) -> None:
    sources.write(f"if msg.payload['params']['bad']: {body}\nreturn {{'metrics': {{'a': 1}}}}")
    with working(sources) as worker:
        assert worker.trial(0, bad=True)["error"] == error
        assert worker.trial(1, bad=False)["metrics"] == {"a": 1}


def test_a_dataset_that_is_not_there_is_reported(sources: Sources) -> None:
    sources.write("return {}")
    with working(sources) as worker:
        worker.say(trial=0, run="r0", payload={"$ref": "data/none.csv", "model_name": "price"})
        assert "data/none.csv: no such dataset" in worker.hear()["error"]


def test_a_trial_is_ended_with_all_that_it_started(sources: Sources) -> None:
    sources.write(
        """
        import subprocess
        child = subprocess.Popen(["sleep", "600"])
        print(os.getpid(), child.pid, flush=True)
        time.sleep(600)
        """
    )
    with working(sources) as worker:
        worker.say(trial=0, run="r0", payload=PAYLOAD)
        pids = printed_pids(sources)
        worker.say(end=1)  # another one: nothing happens
        worker.say(end=0)
        assert "SIGKILL" in worker.hear()["error"]
        until(lambda: all_ended(pids), 30)


def test_when_the_host_is_gone_all_of_it_is(sources: Sources) -> None:
    sources.write("print(os.getpid(), flush=True)\ntime.sleep(600)")
    with working(sources) as worker:
        worker.say(trial=0, run="r0", payload=PAYLOAD)
        pids = printed_pids(sources)
    until(lambda: all_ended(pids), 30)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to end a process with its parent")
def test_the_trial_of_a_killed_worker_ends(sources: Sources) -> None:
    sources.write("print(os.getpid(), flush=True)\ntime.sleep(600)")
    (sources.root / "runs" / "r0").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "trainyard.image.train", "trials"], cwd=sources.root, env=ENVIRONMENT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    worker = Worker(process)
    worker.hear()
    worker.say(trial=0, run="r0", payload=PAYLOAD)
    pids = printed_pids(sources)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: all_ended(pids), 30)


def test_a_module_that_cannot_be_imported_is_one_line(sources: Sources) -> None:
    (sources.root / "shop/train.py").write_text("import no_such_thing\n")
    argv = [sys.executable, "-m", "trainyard.image.train", "trials"]
    done = subprocess.run(
        argv, cwd=sources.root, env=ENVIRONMENT, input="", text=True, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "add the package that has no_such_thing to requirements_train.txt" in done.stderr
    assert done.stderr.count("\n") == 1


def printed_pids(sources: Sources) -> list[int]:
    """The process ids that trial 0 has printed."""
    path = sources.root / "runs" / "r0" / "log.txt"
    until(lambda: path.exists() and path.read_text().endswith("\n"), 30)
    return [int(text) for text in path.read_text().split()]


def all_ended(pids: list[int]) -> bool:
    return not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_of_what_a_train_function_returns_numbers_are_metrics() -> None:
    assert metrics_of({"loss": 1, "huge": 10**400, "confusion": [[1, 2]], 3: "0.5"}) == {"loss": 1.0, "3": 0.5}
    assert metrics_of("no mapping") == {}
