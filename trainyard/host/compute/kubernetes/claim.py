"""The storage of a cluster, a claim: what is in it of a task can be had after its pod is gone, by a small pod of the
same image that looks after it."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from trainyard.contract import hosted, run_folder
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import LONGEST, PREFIX, AwayError, LostError, RefusedError, Task
from trainyard.host.compute.compute_file import Kubernetes
from trainyard.host.compute.kubernetes.claim_mounts import ALL, APP, TMP
from trainyard.host.compute.kubernetes.diagnosis import Object, has_run
from trainyard.host.compute.kubernetes.jobs import Jobs
from trainyard.host.compute.kubernetes.kubectl import patiently
from trainyard.host.compute.kubernetes.manifests import AGAIN, CONTAINER, JOB, KEEPER, job, job_of_pod, pod_of
from trainyard.host.compute.kubernetes.pod_following import Following
from trainyard.host.compute.tar_streams import write_tar
from trainyard.host.engines.container.runner import RUN
from trainyard.host.support.reporter import Reporter

_SMALL = {"cpu": "200m", "memory": "256Mi"}  # a quota may want it said
_MARGIN = 600  # seconds beyond a copy for which the small pod is there


class UnknownError(TrainyardError):
    """A task of which neither the cluster nor anybody here knows anything."""


class NoPlaceError(TrainyardError):
    """The cluster has no place for the small pod."""


@dataclass(frozen=True)
class Claim:
    """``following`` looks at the Job of that name; ``patience``: seconds for which the cluster may be away.
    ``submitted``: tasks that are known here, by name."""

    entry: Kubernetes
    jobs: Jobs
    following: Callable[[str], Following]
    submitted: dict[str, Task]
    reporter: Reporter
    patience: int
    _sending: threading.Lock = field(default_factory=threading.Lock)

    def send(self, task: Task, pod: str, texts: dict[str, str]) -> None:
        """Send what of its files is not in the claim, and lay them out for its try in ``pod``. Workers of a tuning take
        turns: what one has sent is not sent again."""
        wanted = {one.sha256: one for one in task.inputs}
        kubectl, marks = self.jobs.kubectl, f"{run_folder.MOUNT}/{hosted.FOLDER}"
        places = {f"{marks}/{hosted.PLACES}": json.dumps({one.place: one.sha256 for one in task.inputs})}
        within = ("exec", "--stdin", pod, f"--container={CONTAINER}", "--", RUN)
        with self._sending:
            missing = kubectl.ask(*within, "missing", given="\n".join(wanted)).decode().split() if wanted else []
            size = sum(wanted[one].size for one in missing)
            text = f"Sending {len(missing)} of {len(wanted)} files ({size / 1e6:.1f} MB) to {kubectl.name} ..."
            with (
                self.reporter.waiting(text),
                kubectl.talk(*within, "receive", task.name, pod, limit=kubectl.copy) as (stdin, _),
            ):
                files = {f"{hosted.STORAGE}/data/{one}": wanted[one] for one in missing}
                write_tar(stdin, files, [marks, *task.made], {**texts, **places})

    def told(self, task: str) -> tuple[str, bytes]:
        """The try of a task that has ended by itself, and what it has said; both are empty where there is none.

        Raises:
            AwayError: nobody can look.
        """
        try:
            answer = self._ask(task, "kept", task)
        except UnknownError:
            return "", b""
        except NoPlaceError as error:
            raise AwayError(error.message, error.hint, EXIT_FAILED) from None
        pod, _, output = answer.partition(b"\n")
        return pod.decode(), output

    def sender(self, task: str, pod: str) -> tuple[str, ...]:
        """The call of kubectl that writes a tar of what the try in ``pod`` has written."""
        return (*self._within(task), "send", task, pod)

    def clean_up(self, task: str) -> None:
        """Remove a task, and what is in the claim of it."""
        found = self.jobs.of(task)
        # What has never run has nothing there; and that it can is not known.
        nothing = found and not any(has_run(one.pod) or AGAIN in _labels(one.job) for one in found)
        try:
            if not nothing:
                self._begin(task)  # from now on its Job says that something is in the claim
            self.jobs.remove(task, but=keeper(task))
            if not nothing:
                self._ask(task, "remove", task)
        except (NoPlaceError, UnknownError) as error:
            self.reporter.warn(f"{error}; what {task} wrote is still in the claim, in tasks/{task}")
        self.jobs.remove(task)

    def trim(self, image: str, days: int) -> int:
        """Remove contents that no training has wanted for so long, by a small pod of that image; their bytes."""
        name = f"{PREFIX}trim-{secrets.token_hex(4)}"
        self.submitted[name] = Task(name, "", "", image, {}, labels={"until": str(int(time.time()) + _MARGIN)})
        try:
            return int(self._ask(name, "unread", str(days)))
        finally:
            self.jobs.remove(name)

    def _ask(self, task: str, *does: str) -> bytes:
        return patiently(lambda: self.jobs.kubectl.ask(*self._within(task), *does), self.patience)

    def _within(self, task: str) -> tuple[str, ...]:
        """The beginning of a call in the small pod.

        Raises:
            AwayError: it has no place, or lost it; what is in the claim is still there.
        """
        self._begin(task)
        try:
            with self.reporter.waiting(f"Looking into the storage of {self.jobs.kubectl.name} ..."):
                pod = self.following(keeper(task)).place(threading.Event())
        except RefusedError as error:
            raise NoPlaceError(error.message, error.hint, EXIT_FAILED) from None
        except LostError as error:
            raise AwayError(error.message, error.hint, EXIT_FAILED) from None
        return ("exec", pod, f"--container={CONTAINER}", "--", RUN)

    def _begin(self, task: str) -> None:
        there = self.jobs.look(keeper(task))
        if there.job and there.finding.state in ("waiting", "stuck", "running"):
            return
        if there.job:
            self.jobs.delete(keeper(task))
        known = self.jobs.of(task)
        if known and known[0].job:
            made: Object = known[0].job
        elif task in self.submitted:
            made = json.loads(job(self.submitted[task], self.entry, 1))
        else:
            raise UnknownError(f"{task}: nobody knows its image any more", "", EXIT_FAILED)
        self.jobs.create(self._keeper(task, made))

    def _keeper(self, task: str, made: Object) -> str:
        """The Job of the small pod, from one of the task's."""
        seconds = (self.jobs.kubectl.copy.seconds or 0) + _MARGIN
        container = {
            "image": made["spec"]["template"]["spec"]["containers"][0]["image"],
            "command": [RUN, "hosted", f"--alone={seconds}"],
            "resources": {"requests": _SMALL, "limits": _SMALL},
            "volumeMounts": [ALL, TMP, {"name": "work", "mountPath": f"{APP}/{run_folder.MOUNT}/{hosted.FOLDER}"}],
        }
        labels = {**_labels(made), JOB: keeper(task)}
        annotations = made["metadata"].get("annotations", {})
        # It has no limit of its own before it runs: a queue may let it wait.
        return job_of_pod(pod_of(container, self.entry), labels, annotations, self.entry, LONGEST, 0)


def keeper(task: str) -> str:
    """The Job of the small pod."""
    return f"{task}{KEEPER}"


def _labels(made: Object | None) -> dict[str, Any]:
    return dict((made or {}).get("metadata", {}).get("labels", {}))
