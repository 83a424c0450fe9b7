"""How the process engine runs containers: child processes in folders of links."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Running, RunPlan
from trainyard.host.engines.container_output import Attached, Conversation, attached
from trainyard.host.engines.process.containers import Containers
from trainyard.host.engines.process.environment import ProcessImage, environment, run_script
from trainyard.host.engines.process.image_folders import ImageFolders
from trainyard.host.support.command import Commands
from trainyard.settings.host import SECRETS

POLL = 0.05  # seconds between two looks at a stopping process


@dataclass(frozen=True)
class ProcessRunner:
    """Runs images of ``folders`` as child processes; ``root`` is the folder of the monorepo."""

    folders: ImageFolders
    containers: Containers
    root: str
    stop_timeout: int
    commands: Commands

    def run(self, plan: RunPlan) -> int:
        self._say_if_not_confined(plan)
        image = self.folders.need(plan.image, plan.image_id, plan.role)
        return self._run(plan, image, run_script(plan, image))

    def shell(self, plan: RunPlan) -> int:
        return self._run(plan, self.folders.need(plan.image), ["bash", "-i"])

    def _run(self, plan: RunPlan, image: ProcessImage, argv: Sequence[str]) -> int:
        """The terminal's Ctrl-C reaches the process by itself."""
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
            self.containers.remove(plan.name)

    def converse(self, plan: RunPlan) -> Conversation:
        """In a session of its own."""
        image = self.folders.need(plan.image, plan.image_id, plan.role)
        program = self._attached(run_script(plan, image), plan, image, apart=True)
        return Conversation(program, lambda: self.stop(plan.name))

    def _attached(
        self, argv: Sequence[str], plan: RunPlan, image: ProcessImage, *, apart: bool = False
    ) -> Attached:  # fmt: skip
        root = self.containers.root(plan.name)
        with self.containers.locked(plan.name):
            self.containers.prepare(plan, image)
            program = attached(argv, plan.output, env=environment(plan, image, root), cwd=root, apart=apart)
            self._note(plan, image, program.process)
        return program

    def start(self, plan: RunPlan) -> None:
        """In a session of its own."""
        self._say_if_not_confined(plan)
        image, root = self.folders.need(plan.image), self.containers.root(plan.name)
        argv, env = run_script(plan, image), environment(plan, image, root)
        if self._shown(argv, plan):
            return
        with self.containers.locked(plan.name):
            self.containers.prepare(plan, image)
            with self.containers.log(plan.name).open("wb") as log:
                process = subprocess.Popen(
                    argv, env=env, cwd=root, start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                )  # fmt: skip
            self._note(plan, image, process)

    def alive(self, name: str) -> bool:
        return self.containers.alive(name)

    def stop(self, name: str) -> bool:
        if not self.containers.root(name).parent.is_dir():
            return False
        if self.commands.dry_run:
            self.commands.reporter.would(f"kill {self.containers.read(name).get('pid', '')}")
            return True
        if self.alive(name):
            self._stop(name, self.containers.read(name)["pid"])
        self.containers.remove(name)
        return True

    def logs(self, name: str, follow: bool) -> None:
        log = self.containers.log(name)
        argv = ["tail", "-n", "+1", *(["-f"] if follow else []), str(log)]
        if self.commands.dry_run:
            self.commands.reporter.would(" ".join(argv))
            return
        if not log.is_file():
            raise TrainyardError(f"no logs of {name}", "start it in the background: make predict DETACH=1")
        subprocess.run(argv, check=False)

    def last_lines(self, name: str, count: int) -> list[str]:
        try:
            return self.containers.log(name).read_text(errors="replace").splitlines()[-count:]
        except OSError:
            return []

    def written(self) -> int:
        return 0  # a process has no layer of its own

    def running(self) -> list[Running]:
        found = self.containers.alive_ones()
        return [Running(name, data["model"], data["port"], self.root) for name, data in found if data.get("port")]

    def _shown(self, argv: Sequence[str], plan: RunPlan) -> bool:
        if self.commands.dry_run:
            settings = [f"{key}={f'${key}' if key in SECRETS else value}" for key, value in sorted(plan.env.items())]
            port = ["PORT=" + str(plan.port)] if plan.port else []
            self.commands.reporter.would(" ".join([*settings, *port, *argv]))
        return self.commands.dry_run

    def _note(self, plan: RunPlan, image: ProcessImage, process: subprocess.Popen[bytes]) -> None:
        try:
            self.containers.note(plan, image, process.pid)
        except BaseException:  # a process that nobody knows of could never be stopped
            self._end(process)
            raise

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """After Ctrl-C the process is ending already; otherwise it gets SIGTERM."""
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
            late = f"{name} did not stop within {self.stop_timeout} s (STOP_TIMEOUT) and was killed"
            self.commands.reporter.warn(late)
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

    def _say_if_not_confined(self, plan: RunPlan) -> None:
        if plan.hardened and plan.role == "predict":
            unconfined = f"{plan.name} is not confined: the process engine runs it with all of your rights"
            self.commands.reporter.step(unconfined)
