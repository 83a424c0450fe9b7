"""The compose file of deploy/compose, brought up by the commands of docs/retraining-images.md."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.conftest import TRAIN
from experiments.reproductions import commit, git, in_git
from monorepo import ROOT, Monorepo, free_port
from waiting import until

from trainyard.host.network.build_settings import ca_bundle
from trainyard.settings.host import NetworkSettings

UID = "123456"
MODEL = "sums/m0"
SERVICES = ("database", "objects", "tracker", "retrain", "follower", "champion")
OURS = ("tracker", "retrain", "follower", "champion")
WEBHOOK = "json://127.0.0.1:9/canary-of-the-webhook"  # nobody is there
# What a training can see of where it runs.
LOOK = """
    import glob
    import sys
    seen = {
        "environment": dict(os.environ), "uid": os.getuid(), "writable": os.access("/opt/server", os.W_OK),
        "sockets": glob.glob("/run/*.sock") + glob.glob("/var/run/*.sock") + glob.glob("/run/*/*.sock"),
    }
    print("seen:" + json.dumps(seen))
"""


def monorepo(folder: Path) -> Monorepo:
    """In git, data included; its one model says in the log what its training sees."""
    repo = in_git(Monorepo(folder, "docker"))
    (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text() + ".venv\n")
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    model = repo.add_model("m0")
    (model.path / "train.py").write_text(
        TRAIN.replace('    payload = msg["payload"]\n', f'{LOOK}    payload = msg["payload"]\n')
    )
    (model.path / "config.yaml").write_text("promotion: {metric: loss, direction: minimize}\n")
    git(repo, "checkout", "--quiet", "-b", "main")
    repo.make(model, "lock").succeeded()
    commit(repo)
    return repo


@dataclass
class Composed:
    """A project of docker-compose, and the page whose commands make it."""

    repo: Monorepo
    tracker: int = field(default_factory=free_port)
    port: int = field(default_factory=free_port)
    champion: int = field(default_factory=free_port)
    token: str = ""

    def __post_init__(self) -> None:
        page = (ROOT / "docs" / "retraining-images.md").read_text()
        self.commands = re.findall(r"^    (\S.*)$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), re.MULTILINE)
        self.secrets = {"POSTGRES_PASSWORD": secrets.token_hex(16), "OBJECT_STORE_SECRET": secrets.token_hex(16)}

    @property
    def folder(self) -> Path:
        return self.repo.path / "deploy" / "compose"

    def run_next(self, *beginnings: str) -> str:
        """Run the next commands of the page, which begin so."""
        out = ""
        for beginning in beginnings:
            command = self.commands.pop(0)
            assert command.startswith(beginning), command
            out = self.shell(command.replace("<project>/<model>", MODEL).replace(":5005", f":{self.port}"))
        return out

    def shell(self, command: str) -> str:
        names = {"COMPOSE_PROJECT_NAME": self.repo.prefix, "TOKEN": self.token}
        done = subprocess.run(
            ["bash", "-ec", command], cwd=self.repo.path, env=self.repo.environment(**names), capture_output=True,
            text=True, stdin=subprocess.DEVNULL, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def logs(self) -> str:
        """The last lines of every service."""
        return self.compose("logs", "--no-color", "--tail", "30")

    def compose(self, *arguments: str) -> str:
        environment = os.environ | {"COMPOSE_PROJECT_NAME": self.repo.prefix}
        command = ["docker-compose", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def fill_in(self) -> None:
        """What .env.example leaves empty, and what this machine needs to reach the package index."""
        values = {
            "MONOREPO": str(self.repo.path), "CHAMPION_MODEL": MODEL, "SERVICE_UID": UID, "webhook_url": f'"{WEBHOOK}"',
            "CHAMPION_IMAGE": f"{self.repo.container('sums-m0')}-predict", **self.secrets,
            "POSTGRES_IMAGE": "trainyard-postgres", "OBJECT_STORE_IMAGE": "trainyard-objects",
            "TRACK_PORT": self.tracker, "RETRAIN_PORT": self.port, "CHAMPION_PORT": self.champion,
        }  # fmt: skip
        path = self.folder / ".env"
        kept = [line for line in path.read_text().splitlines() if line.partition("=")[0] not in values]
        path.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in values.items())]) + "\n")
        if bundle := ca_bundle(NetworkSettings.read()):
            more = {"environment": {"CA_BUNDLE": "/etc/ca.pem"}, "volumes": [f"{bundle}:/etc/ca.pem:ro"]}
            override = {"version": "3.8", "services": {"retrain": more}}
            (self.folder / "docker-compose.override.yml").write_text(json.dumps(override))

    def ask(self, path: str, body: Any = None) -> tuple[int, str]:
        """The service's answer, with the token."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def succeeded(self, job_id: str) -> dict[str, Any]:
        """The job once it is over, which went well."""

        def over() -> dict[str, Any] | None:
            job: dict[str, Any] = json.loads(self.ask(f"/jobs/{job_id}")[1])
            return job if job["state"] in ("succeeded", "failed", "cancelled") else None

        def shown() -> tuple[str, str, str]:
            return self.ask(f"/jobs/{job_id}")[1], self.ask(f"/jobs/{job_id}/log")[1], self.logs()

        job = until(over, 400, shown) or {}  # it installs packages, and trains, on a machine that may be busy
        assert job["state"] == "succeeded", (job, self.ask(f"/jobs/{job_id}/log")[1], self.logs())
        return job

    def inspected(self, service: str) -> dict[str, Any]:
        """What docker knows of a service's container."""
        command = ["docker", "inspect", f"{self.repo.prefix}_{service}_1"]
        found: list[dict[str, Any]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return found[0]


@contextmanager
def composed(folder: Path) -> Iterator[Composed]:
    """Brought up as the page says, with one job that has made the first champion; removed in the end."""
    found = Composed(monorepo(folder))
    found.run_next("make track-image", "make build-predict", "docker build", "cp ", "docker build", "cp ")
    found.fill_in()
    try:
        found.token = found.run_next("cd deploy/compose && docker-compose run").splitlines()[-1]
        found.run_next("cd deploy/compose && docker-compose up")
        until(lambda: _ready(found), 300, found.logs)
        yield found
    finally:
        found.compose("down", "--volumes", "--remove-orphans")
        found.repo.make(None, "clean")


def _ready(found: Composed) -> bool:
    try:
        return found.ask("/readyz")[0] == 200
    except OSError:
        return False
