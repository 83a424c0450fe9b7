"""What has become of a Job, from what the cluster says of it, of its pod, and of why it has none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Object = Mapping[str, Any]
State = Literal["waiting", "stuck", "running", "over", "lost", "refused"]


@dataclass(frozen=True)
class Finding:
    """``text``: why, in one line, and ``fix``. ``status``: of one that is over. One that is stuck waits for what
    somebody has to see to; ``limit``: what of ``resources`` has ended one that was refused."""

    state: State
    text: str = ""
    fix: str = ""
    status: int = 0
    limit: Literal["", "time", "memory"] = ""


RUNNING = Finding("running")
_STORAGE_LIMIT = re.compile(r"exceed(s|ed) .*limit", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"dial tcp|timeout|connection re|no such host|unexpected EOF|x509|tls:|HTTP response to HTTPS", re.IGNORECASE
)
_NO_IMAGE = re.compile(r"not found|manifest unknown|name unknown", re.IGNORECASE)
_NO_ACCESS = re.compile(r"unauthorized|authentication|denied|forbidden|no basic auth|\b40[13]\b", re.IGNORECASE)
_QUOTA = re.compile(r"exceeded quota: (?P<quota>[^,]+), requested: (?P<asked>.+), used: .+, limited: (?P<limits>.+)")
_QUOTED = '": '  # ends what each layer of a node says in front of the reason
_PULLING = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CREATING = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ContainerCannotRun",
    "StartError",
}
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30,
          "Ti": 2.0**40}  # fmt: skip


def diagnose(job: Object | None, pod: Object | None) -> Finding:
    """Of a Job and its pod, as they are now; without events."""
    if job is None:
        return Finding("lost", "it is not there any more")
    if job["metadata"].get("deletionTimestamp"):
        return Finding("lost", "it was removed")
    failed = _condition(job, "Failed")
    if failed and failed.get("reason") == "DeadlineExceeded":
        return Finding("refused", limit="time")
    if job["spec"].get("suspend"):  # a pod that it still has ends: the queue wants its place
        said = _condition(job, "Suspended") or {}
        return Finding("waiting", f"it waits in its queue: {_line(said.get('message') or 'not admitted yet')}")
    if pod:
        return _of_pod(pod)
    return Finding("lost", "its pod was deleted") if failed else Finding("waiting")


def _of_pod(pod: Object) -> Finding:
    status = pod["status"]
    reason, message = status.get("reason", ""), _line(status.get("message", ""))
    if reason == "Evicted" and _STORAGE_LIMIT.search(message):
        return Finding("refused", f"it used more disk than it may: {message}", "let it write less")
    if reason == "DeadlineExceeded":
        return Finding("refused", limit="time")
    if disrupted := _condition(pod, "DisruptionTarget"):
        return Finding("lost", f"its pod was ended ({disrupted.get('reason')}): {_line(disrupted.get('message', ''))}")
    containers = status.get("containerStatuses") or [{}]
    container = containers[0].get("state", {})
    if terminated := container.get("terminated"):
        return _of_end(terminated, pod)
    if pod["metadata"].get("deletionTimestamp"):
        return Finding("lost", "its pod was deleted")
    if status.get("phase") in ("Failed", "Unknown"):
        return Finding("lost", f"its node has ended it ({reason or 'no reason'}): {message}")
    if container.get("running"):
        return RUNNING
    if waiting := container.get("waiting"):
        return _of_waiting(waiting)
    scheduled = _condition(pod, "PodScheduled", "False")
    return Finding("waiting", f"no node has a place: {_line(scheduled.get('message', ''))}" if scheduled else "")


def _of_end(terminated: Object, pod: Object) -> Finding:
    reason = terminated.get("reason", "")
    if reason == "OOMKilled":
        return Finding("refused", limit="memory")
    if reason in _CREATING:
        return Finding("refused", f"its container cannot start: {_line(terminated.get('message', ''))}")
    if pod["metadata"].get("deletionTimestamp"):
        return Finding("lost", "its pod was deleted")
    return Finding("over", status=int(terminated["exitCode"]))


def _of_waiting(waiting: Object) -> Finding:
    reason, message = waiting.get("reason", ""), _line(waiting.get("message", ""))
    if reason in _CREATING:
        return Finding("refused", f"its container cannot start: {message}")
    if reason not in _PULLING:
        return Finding("waiting", "its image is pulled")
    text = f"its image cannot be pulled: {message.rpartition(_QUOTED)[2]}"
    if _UNREACHABLE.search(message):
        return Finding("stuck", text, "its nodes have to reach the registry")
    if _NO_ACCESS.search(message):
        return Finding("refused", text, "pull_secret in compute.yaml names a Secret of the namespace that may pull it")
    if _NO_IMAGE.search(message):
        return Finding("refused", text, "the registry has lost it: train again")
    return Finding("stuck", text)


def is_on_lost_node(pod: Object) -> bool:
    """Whether nobody knows what becomes of a pod."""
    disrupted = _condition(pod, "DisruptionTarget")
    return disrupted is not None and disrupted.get("reason") == "DeletionByTaintManager"


def diagnose_events(events: Iterable[Object]) -> Finding:
    """Why a Job has no pod, of what its controller complains about."""
    refused = [event for event in events if event.get("reason") == "FailedCreate"]
    if not refused:
        return Finding("waiting")
    message = _line(max(refused, key=_time_of).get("message", ""))
    short = re.sub(r"^Error creating: pods \"[^\"]*\" is forbidden: ", "", message)
    if "violates PodSecurity" in short:
        return Finding("refused", short, "let the namespace enforce `restricted`, and no more")
    if found := _QUOTA.search(short):
        if _fits(found["asked"], found["limits"]):
            return Finding("waiting", f"the quota is used up: {short}")
        return Finding("refused", short, "ask for less in `resources` of compute.yaml, or for a larger quota")
    if "must specify" in short:
        return Finding("refused", short, "`resources` in compute.yaml says how much of each")
    if "serviceaccount" in short and '"default"' not in short:  # which a new namespace gets in a moment
        return Finding("refused", short, "`service_account` in compute.yaml names one of the namespace")
    if "forbidden" in message:
        return Finding("refused", short)
    return Finding("stuck", short)


def _fits(asked: str, limits: str) -> bool:
    """Whether what is asked for would fit if nobody else had any."""
    most = dict(one.split("=") for one in limits.split(","))
    return all(
        quantity(amount) <= quantity(most.get(what, amount))
        for what, amount in (one.split("=") for one in asked.split(","))
    )


def quantity(given: str) -> float:
    """An amount as Kubernetes writes it: 500m, 2Gi, 3."""
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)([a-zA-Z]*)", given)
    return float(found[1]) * _UNITS.get(found[2], 1.0) if found else 0.0


def _condition(of: Object, kind: str, status: str = "True") -> Object | None:
    conditions = of.get("status", {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind and one["status"] == status), None)


def _time_of(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _line(text: str) -> str:
    return " ".join(text.split())
