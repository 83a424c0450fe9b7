"""``make bench-retrain``: how the retrain service answers while it trains, and how long a new champion takes.

First a job of each finance model, one after the other, from POST until the server of the champion answers with the new
version. Then four trainings at once, while GET is sent at a fixed rate: the latency counts from when each request was
due, so that one that waits behind a slow one counts as slow, too.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from bench.builds.copies import WAYS, Way, copy_monorepo, make, run, say
from bench.serving.prepare import STATE

PROJECT = "finance_income_prediction"
LATENCY, TOTAL, SHARE = 0.100, 60.0, 10.0  # seconds: p99 of a GET; POST to champion; of that what is not training
AT_ONCE = 4
# Of a first version that is worse, so that the job's becomes the champion.
WEAK: dict[str, dict[str, float]] = {
    "catBoost": {"iterations": 2}, "logisticRegression": {"C": 1e-5},
    "randomForest": {"n_estimators": 2, "max_depth": 2}, "xgBoost": {"n_estimators": 2},
}  # fmt: skip


@dataclass(frozen=True)
class Deployed:
    """Seconds of one job: from POST to the champion that answers, and of that the step ``train``."""

    model: str
    total: float
    training: float


class Service:
    """The retrain service of a monorepo, and its tracker."""

    def __init__(self, folder: Path, way: Way) -> None:
        self.folder, self.way = folder, way
        self.port, self.tracker = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        track = f"TRACK_PORT={self.tracker}"
        run(make(self.folder, self.way, "track", "DETACH=1", track))
        options = (f"RETRAIN_PORT={self.port}", f"RETRAIN_JOBS={AT_ONCE}", "RETRAIN_RATE=0")
        with (self.folder / "service.log").open("w") as log:
            process = subprocess.Popen(
                make(self.folder, self.way, "retrain-service", *options), stdout=log, stderr=log, start_new_session=True
            )
        try:
            until(lambda: self.get("/readyz") is not None, 60)
            yield
        finally:
            os.killpg(process.pid, 2)
            process.wait()
            run(make(self.folder, self.way, "track-stop"))

    def get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as response:  # noqa: S310 -- our own server
                answer: bytes = response.read()
                return answer
        except OSError:
            return None

    def submit(self, **body: Any) -> str:
        request = urllib.request.Request(  # noqa: S310 -- our own server
            f"{self.url}/retrain", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return str(json.load(response)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get(f"/jobs/{job_id}") or b"{}")
        return found

    def over(self, job_id: str) -> dict[str, Any]:
        job = until(lambda: (found := self.job(job_id)).get("ended") and found, 600)
        if job["state"] != "succeeded":
            sys.exit(f"error: job {job_id} has {job['state']}: {job['reason']}")
        return dict(job)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def until(happened: Any, seconds: float) -> Any:
    """What ``happened`` returns once that is true; ends the benchmark after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        if time.monotonic() > deadline:
            sys.exit(f"error: nothing within {seconds:g} s")
        time.sleep(0.02)
    return found


def in_git(folder: Path) -> None:
    """The monorepo becomes a repository with one commit."""
    (folder / ".gitignore").write_text(
        ".trainyard/\n.venv\nprojects/*/runs/\nprojects/*/models/\nmlruns/\nservice.log\n"
    )
    run(["git", "init", "--quiet"], folder)
    run(["git", "add", "."], folder)
    run(
        ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "-m", "all"], folder
    )


def deployed(service: Service, model: str) -> Deployed:
    """One job, after a first version is served."""
    place = f"{PROJECT}/{model}"
    service.over(service.submit(model=place, params=WEAK[model]))
    port = free_port()
    options = ("VERSION=champion", "VERSION_POLL=1", "DETACH=1", f"PORT={port}", f"MODEL={place}")
    run(make(service.folder, service.way, "predict", *options))
    try:
        started = time.perf_counter()
        job = service.over(service.submit(model=place, deploy=True))
        total = time.perf_counter() - started
    finally:
        run(make(service.folder, service.way, "stop", f"MODEL={place}"))
    (train,) = [step for step in job["steps"] if step["name"] == "train"]
    if not job["promoted"]:
        sys.exit(f"error: {job['version']} did not become the champion: {job['reason']}")
    training = (datetime.fromisoformat(train["ended"]) - datetime.fromisoformat(train["started"])).total_seconds()
    say(f"{model}: {total:.1f} s, of which {training:.1f} s are the training")
    return Deployed(model, total, training)


def latencies(service: Service, rate: int, seconds: float) -> list[float]:
    """Seconds of each GET that was due, at ``rate`` a second, in turn to the endpoints that are read."""
    some = json.loads(service.get("/jobs") or b"{}")["jobs"][0]["id"]
    paths = ("/jobs?limit=20", f"/jobs/{some}", f"/jobs/{some}/log", "/livez")
    found: list[float] = []
    lock = threading.Lock()
    own = threading.local()  # each thread keeps its connection, as clients of HTTP do
    begin = time.perf_counter() + 0.1

    def get(path: str) -> int:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        own.connection.request("GET", path)
        response = own.connection.getresponse()
        response.read()
        return int(response.status)

    def one(number: int) -> None:
        due = begin + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        if (status := get(paths[number % len(paths)])) != HTTPStatus.OK:
            sys.exit(f"error: the service answered {status}")
        with lock:
            found.append(time.perf_counter() - due)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(one, range(int(rate * seconds))))
    return found


@click.command()
@click.option("--engine", default="docker", show_default=True, type=click.Choice(["docker", "podman", "process"]))
@click.option("--models", default="", help="separated by commas; default: every finance model")
@click.option("--rate", default=200, show_default=True, help="requests a second")
@click.option("--seconds", default=20.0, show_default=True, help="for which they are sent")
@click.option("--out", default=str(STATE / "retrain"), show_default=True, help="folder of the results")
def main(engine: str, models: str, rate: int, seconds: float, out: str) -> None:
    """Measure and print."""
    work = Path(out)
    folder = copy_monorepo(work / "monorepo", PROJECT)
    names = models.split(",") if models else list(WEAK)
    in_git(folder)
    service = Service(folder, WAYS["docker"] if engine == "docker" else WAYS[engine])
    with service.running():
        made = [deployed(service, name) for name in names]
        jobs = [service.submit(model=f"{PROJECT}/{name}") for name in (names * AT_ONCE)[:AT_ONCE]]
        until(lambda: any(service.job(job)["state"] == "running" for job in jobs), 60)
        found = latencies(service, rate, seconds)
        for job in jobs:
            service.over(job)
    text = report(made, found, rate, engine)
    (work / "retrain.md").write_text(text + "\n")
    (work / "retrain.json").write_text(json.dumps({"jobs": [vars(one) for one in made], "get": found}, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    print(text)


def report(made: Sequence[Deployed], found: Sequence[float], rate: int, engine: str) -> str:
    """Tables, and which targets were reached."""
    p50, p99 = statistics.median(found), sorted(found)[int(len(found) * 0.99) - 1]
    total, rest = max(one.total for one in made), max(one.total - one.training for one in made)
    lines = [
        f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores, {engine}, load {os.getloadavg()[0]:.1f}.",
        "",
        "| model | POST to the new champion, s | of which not training, s |",
        "| --- | --: | --: |",
        *(f"| {one.model} | {one.total:.1f} | {one.total - one.training:.1f} |" for one in made),
        "",
        f"GET at {rate} a second while {AT_ONCE} jobs run: median {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms,"
        f" of {len(found)} requests.",
        "",
        f"- p99: {p99 * 1000:.1f} ms ({LATENCY * 1000:.0f}: {_mark(p99 < LATENCY)})",
        f"- POST to the new champion, the longest: {total:.1f} s ({TOTAL:.0f}: {_mark(total < TOTAL)})",
        f"- of that not training, the longest: {rest:.1f} s ({SHARE:.0f}: {_mark(rest < SHARE)})",
    ]
    return "\n".join(lines)


def _mark(reached: bool) -> str:
    return "reached" if reached else "MISSED"


if __name__ == "__main__":
    main()
