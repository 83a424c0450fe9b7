"""A real retrain service for tests, started by make, and a client that is not ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.tracking import WAIT
from monorepo import Monorepo, free_port
from waiting import until

OVER = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self, status: int) -> str:
        """The detail of a problem (RFC 9457) with that status."""
        assert self.status == status, self
        assert self.headers["content-type"] == "application/problem+json"
        found = self.json
        assert found["status"] == status and found["title"], found
        return str(found["detail"])


@dataclass
class Service:
    """The service of a monorepo; it may be stopped, killed and started again."""

    repo: Monorepo
    tracker: str
    env: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    within: tuple[str, ...] = ()  # a program that starts it
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.log = self.repo.path / f"service-{self.port}.log"

    def start(self, **env: str) -> None:
        given = {"RETRAIN_RATE": "0", **WAIT, **self.env, **env}  # tests look often
        environment = self.repo.environment(TRACKING_URI=self.tracker, **given)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self.within, "make", "--no-print-directory", "retrain-service", f"RETRAIN_PORT={self.port}"],
                cwd=self.repo.path, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, text=True,
            )  # fmt: skip
        until(self.ready, 120, self.said)

    def ready(self) -> bool:
        assert self.process and self.process.poll() is None, self.said()
        try:
            return self.ask("/readyz").status == 200
        except OSError:
            return False

    def said(self) -> str:
        return self.log.read_text()

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, number)
            self.process.wait(60)

    def ask(
        self, path: str, body: Any = None, method: str = "", timeout: float = 30, **headers: str
    ) -> Answer:  # fmt: skip
        """GET, or POST a body, an object as JSON; names of headers with _ for -."""
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None:
            named.setdefault("Content-Type", "application/json")
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, content, named, method=method or None)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                found, status, text = response.headers, response.status, response.read()
        except urllib.error.HTTPError as error:
            found, status, text = error.headers, error.code, error.read()
        return Answer(status, {key.lower(): value for key, value in found.items()}, text.decode())

    def submit(self, **body: Any) -> str:
        """The id of the job of a request that is taken."""
        answer = self.ask("/retrain", body)
        assert answer.status == 202, answer
        assert answer.headers["location"] == answer.json["url"]
        return str(answer.json["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"/jobs/{job_id}").json
        return found

    def jobs_log(self, job_id: str) -> str:
        return self.ask(f"/jobs/{job_id}/log").text

    def running(self, job_id: str, step: str = "train") -> dict[str, Any]:
        """The job once it is at a step."""

        def there() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["state"] not in OVER, (job, self.jobs_log(job_id))
            return job if job["steps"] and job["steps"][-1]["name"] == step else None

        return until(there, 120, lambda: self.job(job_id)) or {}

    def over(self, job_id: str, seconds: float = 180) -> dict[str, Any]:
        """The job once it is over."""

        def there() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in OVER else None

        return until(there, seconds, lambda: (self.job(job_id), self.said())) or {}

    def succeeded(self, job_id: str) -> dict[str, Any]:
        job = self.over(job_id)
        assert job["state"] == "succeeded", (job, self.jobs_log(job_id))
        return job

    def folder(self, job_id: str) -> Path:
        return self.repo.path / ".trainyard/retrain" / job_id

    def left_behind(self) -> list[Path]:
        """Checkouts and images of jobs."""
        state = self.repo.path / ".trainyard"
        return [*state.glob("retrain/*/checkout"), *state.glob("images/trainyard-retrain-*")]

    def process_of(self, job_id: str) -> int:
        """The process that carries a job out."""
        return int(until(lambda: _text(self.folder(job_id) / "lock")))


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
