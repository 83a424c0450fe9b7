"""A Slurm of two nodes on this machine: munge, slurmctld, two slurmd."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from pathlib import Path

from background import Daemon
from monorepo import free_port
from needs import need
from waiting import until

from computes.started import Started

CONFIG = Path(__file__).with_name("slurm.conf")
PROGRAMS = ("root", "munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue", "sinfo")


class Slurm(Started):
    """Its nodes are called n1 and n2, its partition ``all``. Jobs see this machine's files, and run as who asks."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        for program in PROGRAMS:
            need(program)
        self.logs = folder / "logs"
        self._config = folder / "slurm.conf"
        self._munge = folder / "munge"
        for path in (self.logs, self._munge, folder / "state"):
            path.mkdir(parents=True)
        self._config.write_text(
            CONFIG.read_text().format(
                folder=folder, host=socket.gethostname().partition(".")[0], port=free_port(), port1=free_port(),
                port2=free_port(),
            )
        )  # fmt: skip

    def environ(self) -> dict[str, str]:
        """For a program that calls Slurm's."""
        return {"SLURM_CONF": str(self._config)}

    def run(self, *command: str, stdin: str = "", timeout: float = 60) -> str:
        """What one of Slurm's programs prints."""
        done = subprocess.run(
            command, env=os.environ | self.environ(), input=stdin, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def queue(self) -> dict[str, str]:
        """Jobs that have not ended: number -> state, as R or PD."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i %t").splitlines()
        return dict(line.split() for line in lines)

    def _start(self) -> None:
        key = self._munge / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        munge = self._daemon(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self._munge}/socket",
            f"--pid-file={self._munge}/pid", f"--log-file={self.logs}/munge.log", f"--seed-file={self._munge}/seed",
        )  # fmt: skip
        until((self._munge / "socket").exists, 20, munge.shown)
        controller = self._daemon("slurmctld", "slurmctld", "-D")
        for node in ("n1", "n2"):
            self._daemon(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        until(self._is_idle, 60, controller.shown)
        self._ends.callback(self._cancel_all)

    def _cancel_all(self) -> None:
        """A job is in a session of its own, which killing the daemons does not end."""
        self.run("scancel", "--user=root")
        until(lambda: not self.queue(), 30, lambda: self.run("squeue"))

    def _is_idle(self) -> bool:
        command = ["sinfo", "--noheader", "--Node", "--format=%N %t"]
        done = subprocess.run(command, env=os.environ | self.environ(), capture_output=True, text=True, check=False)
        return done.stdout.split() == ["n1", "idle", "n2", "idle"]

    def _daemon(self, name: str, *command: str) -> Daemon:
        daemon = Daemon(self.logs / f"{name}.log", list(command), self.environ())
        self._ends.callback(daemon.kill)
        daemon.start()
        return daemon
