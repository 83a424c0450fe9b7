"""Containers of the process engine: a folder of links and a child process.

containers/<name>/root/            the working directory: links to the image's sources and to what is mounted
containers/<name>/container.json   process id and its start time, image, model, port
containers/<name>/log              what a container in the background says
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Mount, Running, RunPlan
from trainyard.host.engines.container_output import Attached, Conversation, attached
from trainyard.host.engines.process.environment import ProcessImage, environment, run_script
from trainyard.host.support import console
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.support.processes import started_at
from trainyard.settings.host import SECRETS

POLL = 0.05  # seconds between two looks at a stopping process


@dataclass(frozen=True)
class Containers:
    """The containers below ``folder``."""

    folder: Path
    root: str
    stop_timeout: int
    dry_run: bool

    def run(self, plan: RunPlan, image: ProcessImage, command: Sequence[str] | None = None) -> int:
        """Run in the foreground; the terminal's Ctrl-C reaches the process by itself."""
        argv = command or run_script(plan, image)
        if self._shown(argv, plan):
            return 0
        program = self._attached(argv, plan, image)
        try:
            return program.wait()
        except BaseException:
            self._end(program.process)
            program.wait()
            raise
        finally:
            shutil.rmtree(self.folder / plan.name, ignore_errors=True)

    def converse(self, plan: RunPlan, image: ProcessImage) -> Conversation:
        """Start in a session of its own, with a standard input that we write to."""
        program = self._attached(run_script(plan, image), plan, image, apart=True)
        return Conversation(program, lambda: self.stop(plan.name))

    def _attached(
        self, argv: Sequence[str], plan: RunPlan, image: ProcessImage, *, apart: bool = False
    ) -> Attached:  # fmt: skip
        root = self._root(plan.name)
        with self._locked(plan.name):
            self._prepare(plan, image)
            program = attached(argv, plan.output, env=environment(plan, image, root), cwd=root, apart=apart)
            self._note(plan, image, program.process)
        return program

    def start(self, plan: RunPlan, image: ProcessImage) -> None:
        """Start in the background, in a session of its own."""
        argv, env = run_script(plan, image), environment(plan, image, self._root(plan.name))
        if self._shown(argv, plan):
            return
        with self._locked(plan.name):
            self._prepare(plan, image)
            with (self.folder / plan.name / "log").open("wb") as log:
                process = subprocess.Popen(
                    argv, env=env, cwd=self._root(plan.name), start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                )  # fmt: skip
            self._note(plan, image, process)

    def alive(self, name: str) -> bool:
        found = self._read(name)
        return bool(found) and started_at(found["pid"]) == found["started"] != ""

    def stop(self, name: str) -> bool:
        if not (self.folder / name).is_dir():
            return False
        if self.dry_run:
            console.result(f"kill {self._read(name).get('pid', '')}")
            return True
        if self.alive(name):
            self._stop(name, self._read(name)["pid"])
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return True

    def logs(self, name: str, follow: bool) -> None:
        log = self.folder / name / "log"
        argv = ["tail", "-n", "+1", *(["-f"] if follow else []), str(log)]
        if self.dry_run:
            console.result(" ".join(argv))
            return
        if not log.is_file():
            raise TrainyardError(f"no logs of {name}", "start it in the background: make predict DETACH=1")
        subprocess.run(argv, check=False)

    def last_lines(self, name: str, count: int) -> list[str]:
        try:
            return (self.folder / name / "log").read_text(errors="replace").splitlines()[-count:]
        except OSError:
            return []

    def running(self) -> list[Running]:
        names = sorted(path.parent.name for path in self.folder.glob("*/container.json"))
        found = [(name, self._read(name)) for name in names if self.alive(name)]
        return [Running(name, data["model"], data["port"], self.root) for name, data in found if data.get("port")]

    def builds_in_use(self) -> set[str]:
        """The image builds that running containers stand on."""
        names = [path.parent.name for path in self.folder.glob("*/container.json")]
        return {self._read(name)["build"] for name in names if self.alive(name)}

    def dependencies_in_use(self) -> set[str]:
        """The virtual environments and builders of running containers."""
        names = [path.parent.name for path in self.folder.glob("*/container.json")]
        return {path for name in names if self.alive(name) for path in self._read(name).get("needs", [])}

    def _root(self, name: str) -> Path:
        return self.folder / name / "root"

    def _shown(self, argv: Sequence[str], plan: RunPlan) -> bool:
        if self.dry_run:
            settings = [f"{key}={f'${key}' if key in SECRETS else value}" for key, value in sorted(plan.env.items())]
            console.result(" ".join([*settings, *(["PORT=" + str(plan.port)] if plan.port else []), *argv]))
        return self.dry_run

    def _prepare(self, plan: RunPlan, image: ProcessImage) -> None:
        if self.alive(plan.name):
            raise TrainyardError(f"{plan.name} runs already", "stop it first: make stop")
        self._sweep(plan.name)
        root = self._root(plan.name)
        root.mkdir(parents=True)
        mounted = {mount.target.split("/")[0] for mount in plan.mounts}
        for entry in image.build.iterdir():
            if entry.name not in mounted:
                (root / entry.name).symlink_to(entry)
        for mount in plan.mounts:
            _link(root, mount)

    def _sweep(self, name: str) -> None:
        """Remove what is left of a dead container of this name, and of killed ones that had no log to keep."""
        for path in self.folder.glob("*"):
            logless = (path / "container.json").is_file() and not (path / "log").exists()
            if (path.name == name or logless) and not self.alive(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def _note(self, plan: RunPlan, image: ProcessImage, process: subprocess.Popen[bytes]) -> None:
        needs = [*map(str, image.venvs), str(image.builder)]
        facts = {"model": plan.model, "port": plan.port, "build": str(image.build), "needs": needs}
        data = {"pid": process.pid, "started": started_at(process.pid), **facts}
        try:
            write_whole(self.folder / plan.name / "container.json", json.dumps(data) + "\n")
        except BaseException:  # a process that nobody knows of could never be stopped
            self._end(process)
            raise

    def _locked(self, name: str) -> AbstractContextManager[None]:
        """Two that start one name at once: the second finds the first."""
        return locked(self.folder.parent / "locks" / name, name, Limit("STOP_TIMEOUT", self.stop_timeout))

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name / "container.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and {"pid", "started", "build"} <= found.keys() else {}

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """After Ctrl-C the process is ending already; after anything else it is told to."""
        process.terminate()
        try:
            process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _stop(self, name: str, pid: int) -> None:
        leads = os.getpgid(pid) == pid  # started in the background, it is the first of its session
        os.kill(pid, signal.SIGTERM)
        gone = self._gone(name)
        if not gone:
            console.warn(f"{name} did not stop within {self.stop_timeout} s (STOP_TIMEOUT) and was killed")
        with contextlib.suppress(ProcessLookupError):
            if leads:
                os.killpg(pid, signal.SIGKILL)  # its workers, and what the model's code has forked and left behind
            elif not gone:
                os.kill(pid, signal.SIGKILL)

    def _gone(self, name: str) -> bool:
        deadline = time.monotonic() + self.stop_timeout
        while self.alive(name):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True


def _link(root: Path, mount: Mount) -> None:
    target = root / mount.target
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        target.rmdir()  # the place that a folder of links keeps for a nested mount
    if not target.is_symlink():
        target.symlink_to(mount.source)
