"""Jobs of ours and their pods in a namespace: making them, looking at them, removing them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from trainyard.host.compute.base import GRACE
from trainyard.host.compute.kubernetes.diagnosis import Finding, Object, diagnose, diagnose_events, is_on_lost_node
from trainyard.host.compute.kubernetes.kubectl import ExistsError, ForbiddenError, Kubectl, NoNamespaceError
from trainyard.host.compute.kubernetes.manifests import JOB, OURS, TASK

_POLL = 1.0  # seconds between two looks at pods that end
_MARGIN = 15  # seconds beyond GRACE that a node may take to end a pod


@dataclass(frozen=True)
class Found:
    """A Job and the newest of its own pods, where they are there."""

    job: dict[str, Any] | None = None
    pod: dict[str, Any] | None = None

    @property
    def pod_name(self) -> str:
        return str(self.pod["metadata"]["name"]) if self.pod else ""

    @property
    def finding(self) -> Finding:
        return diagnose(self.job, self.pod)


@dataclass(frozen=True)
class Jobs:
    """Those that ``kubectl`` reaches. Methods raise as it does."""

    kubectl: Kubectl

    def create(self, manifest: str) -> None:
        """Nothing where it is there already. A namespace that is missing is made."""
        try:
            self._create(manifest)
        except NoNamespaceError:
            self.kubectl.ask("create", "namespace", self.kubectl.namespace)
            self._create(manifest)

    def _create(self, manifest: str) -> None:
        try:
            self.kubectl.ask("create", "--validate=ignore", "--filename=-", given=manifest)
        except ExistsError:
            return

    def look(self, name: str) -> Found:
        """The Job of that name."""
        return next(iter(self._found(f"{JOB}={name}")), Found())

    def of(self, task: str) -> list[Found]:
        """Those of a task."""
        return list(self._found(f"{TASK}={task}"))

    def all(self) -> list[Found]:
        """Every one of ours."""
        return list(self._found(OURS))

    def _found(self, selector: str) -> Iterator[Found]:
        objects = self.kubectl.objects("get", "jobs,pods", f"--selector={selector}")
        pods = [one for one in objects if one["kind"] == "Pod"]
        for job in objects:
            if job["kind"] == "Job":
                # A lost node keeps pods of earlier Jobs of the same name.
                own = [pod for pod in pods if _owner(pod) == job["metadata"]["uid"]]
                yield Found(job, max(own, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None))

    def why_no_pod(self, job: Object) -> Finding:
        """Of a Job without one."""
        chosen = f"involvedObject.name={job['metadata']['name']},involvedObject.uid={job['metadata']['uid']}"
        try:
            return diagnose_events(self.kubectl.objects("get", "events", f"--field-selector={chosen}"))
        except ForbiddenError as error:
            return Finding("waiting", f"it has no pod yet: who may {error.permission} can see why")

    def delete(self, name: str) -> None:
        """The Job of that name is gone at once, its pod is told to end."""
        self._delete(f"jobs/{name}")

    def _delete(self, *what: str) -> None:
        self.kubectl.ask("delete", *what, "--ignore-not-found", "--cascade=background", "--wait=false")

    def remove(self, task: str, but: str = "") -> None:
        """All Jobs of a task but that one, until their pods are gone."""
        selector = f"{TASK}={task},{JOB}!={but}" if but else f"{TASK}={task}"
        self._delete("jobs", f"--selector={selector}")
        until = time.monotonic() + GRACE + _MARGIN
        while self._pods(selector) and time.monotonic() < until:
            time.sleep(_POLL)

    def _pods(self, selector: str) -> Sequence[Object]:
        """Those that end: what is on a lost node stays there until that can be reached again."""
        pods = self.kubectl.objects("get", "pods", f"--selector={selector}")
        return [pod for pod in pods if not is_on_lost_node(pod)]


def _owner(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences") or [{}]
    return str(owners[0].get("uid", ""))
