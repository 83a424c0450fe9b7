"""A cluster of Slurm: the same folder and the same containers, started by sbatch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import GRACE, LimitError, LostError, RefusedError, Task
from trainyard.host.compute.compute_file import Resources
from trainyard.host.compute.shell.shell_compute import ShellCompute

_STATE = re.compile(r"\bJobState=(\S+).*?\bReason=(\S+)")
_SIGNALLED = 128  # and the number of the signal
_SPARE = 5  # minutes beyond what a task may take, for Slurm: the task itself says first that its time is over
# What was no fault of the task.
_LOST = {"NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "REVOKED", "REQUEUED", "SPECIAL_EXIT"}
# Of a worker, in the words of srun.
_WORKER_LOST = re.compile(r"node fail|preempt|CANCELLED AT|launch failed|communication", re.IGNORECASE)
_WORKER_LIMIT = re.compile(r"time limit|out of memory|oom.kill", re.IGNORECASE)
_LIMITS = {"TIMEOUT": "time", "DEADLINE": "time", "OUT_OF_MEMORY": "memory"}


@dataclass(frozen=True)
class SlurmCompute(ShellCompute):
    """``partition`` and ``account`` are Slurm's; empty: its defaults. ``resources`` are those of a worker."""

    partition: str = ""
    account: str = ""
    resources: Resources = field(default_factory=Resources)

    def start(self, task: Task) -> None:
        signal = f"--signal=B:TERM@{GRACE}"
        self.far("sbatch", task.name, f"--job-name={task.name}", "--no-requeue", signal, *self._options(task.resources))

    def worker(self, task: str, number: int) -> list[str]:
        return ["srun", task, str(number), f"--job-name={task}", *self._options(self.resources)]

    def _options(self, wanted: Resources) -> list[str]:
        options = {
            "partition": self.partition, "account": self.account,
            "time": str(math.ceil(wanted.seconds / 60) + _SPARE) if wanted.seconds else "",
            "cpus-per-task": str(math.ceil(wanted.cpu)) if wanted.cpu else "",
            "mem": wanted.memory.upper(), "gres": f"gpu:{wanted.gpu}" if wanted.gpu else "",
        }  # fmt: skip
        return [f"--{name}={value}" for name, value in options.items() if value]

    def ended(self, task: str, status: int, out_of_memory: bool) -> int:
        """A signal may have been Slurm's."""
        if status > _SIGNALLED and isinstance(error := self.loss(task, "lost"), LostError | LimitError):
            raise error
        return super().ended(task, status, out_of_memory)

    def is_lost(self, status: int, complaints: str) -> bool:
        """srun says why, and its status may be any."""
        if _WORKER_LIMIT.search(complaints):
            return False
        return bool(_WORKER_LOST.search(complaints)) or super().is_lost(status, complaints)

    def loss(self, task: str, what: str) -> TrainyardError:
        found = _STATE.search(self.far("why", task)) if what == "lost" else None
        if found is None:
            return super().loss(task, what)
        state, reason = found[1], found[2]
        where = f"{task} was ended on {self.name}: Slurm says {state}"
        if state in _LOST:
            return LostError(where, "", EXIT_FAILED)
        if state in _LIMITS:
            return LimitError(where, f"resources.{_LIMITS[state]} in compute.yaml allows more", EXIT_FAILED)
        return RefusedError(f"{where} ({reason})", "train again", EXIT_FAILED)

    def free(self) -> str:
        return self.far("free", "slurm").strip()

    def needs(self) -> str:
        return f"{super().needs()} sbatch squeue scancel scontrol"
