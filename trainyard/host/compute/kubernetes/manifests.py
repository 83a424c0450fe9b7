"""A task as a Job of Kubernetes. What it says of a task is nobody's secret: those go with its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from trainyard.host.compute.base import GRACE, LONGEST, Task
from trainyard.host.compute.compute_file import Kubernetes, Resources
from trainyard.host.compute.kubernetes.claim_mounts import (
    APP,
    CHECKPOINTS,
    POD,
    POD_NAME,
    TMP,
    claimed,
    mounts_in_claim,
)
from trainyard.host.engines.container.runner import RUN
from trainyard.settings.host import SECRETS

CONTAINER = "train"
OURS = "app.kubernetes.io/managed-by=trainyard"  # a selector, and the label of all that is ours
JOB, TASK = "trainyard.dev/job", "trainyard.dev/task"  # a task that is a tuning has a Job for each worker
AGAIN = "trainyard.dev/again"  # of the Job of a task that had one before
KEEPER = "-keeper"  # ends the name of the Job that looks after what a task has kept
_ALONE = 120  # seconds after which a worker that nobody talks to ends
_FOLDERS = ("data", "models", "run", "runs", CHECKPOINTS)  # that a training reads or writes, below APP
_OWNER = {"runAsNonRoot": True, "runAsUser": 1001, "runAsGroup": 0, "fsGroup": 1001}
_CONFINED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
# A node that does not answer is given up soon: by default that takes five minutes.
_NODE_LOST = [
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10}
    for state in ("not-ready", "unreachable")
]


def job_name(task: str, worker: int = 0) -> str:
    """Of a task, or of a worker of one that is a tuning."""
    return f"{task}-{worker}" if worker else task


def job(task: Task, entry: Kubernetes, wait: int, worker: int = 0, *, again: bool = False) -> str:
    """The manifest of its Job, always the same text for the same task. ``wait``: seconds that it may wait for its
    files, and to be fetched."""
    labels, annotations = _described(task, job_name(task.name, worker))
    labels |= {AGAIN: "true"} if again else {}
    limit = (task.resources.seconds or LONGEST) + 2 * wait
    # Where there is a storage the Job says that something of the task is in there, until that is removed.
    kept = 0 if entry.storage else wait
    return job_of_pod(_pod(task, entry, wait, worker), labels, annotations, entry, limit, kept)


def job_of_pod(
    pod: Mapping[str, Any], labels: Mapping[str, str], annotations: Mapping[str, str], entry: Kubernetes, limit: int,
    kept: int,
) -> str:  # fmt: skip
    """The manifest of the Job that the label JOB names. It may take ``limit`` seconds; ``kept``: how long it is there
    when it has ended; 0: until it is deleted."""
    spec: dict[str, Any] = {
        "backoffLimit": 0,  # whoever submitted it begins it again
        "activeDeadlineSeconds": limit,
        "podReplacementPolicy": "Failed",
        "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        **({"ttlSecondsAfterFinished": kept} if kept else {}),
    }
    if entry.queue:
        labels = {**labels, "kueue.x-k8s.io/queue-name": entry.queue}
        spec["suspend"] = True  # Kueue lets it begin
    metadata = {"name": labels[JOB], "labels": labels, "annotations": annotations}
    return json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}, sort_keys=True)


def secrets_of(task: Task) -> dict[str, str]:
    """Variables of a task that its manifest does not have."""
    return {name: value for name, value in task.env.items() if name in SECRETS}


def facts_of(found: Mapping[str, Any]) -> dict[str, str]:
    """The labels of the task that a Job was made of; ``task`` is its name."""
    metadata = found["metadata"]
    every = {**metadata.get("annotations", {}), **metadata.get("labels", {})}
    prefix = "trainyard.dev/"
    return {name.removeprefix(prefix): value for name, value in every.items() if name.startswith(prefix)}


def _described(task: Task, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Labels, and annotations for what cannot be the value of a label."""
    ours, _, us = OURS.partition("=")
    facts = {f"trainyard.dev/{key}": value for key, value in task.labels.items()}
    labels = {key: value for key, value in facts.items() if _LABEL.fullmatch(value)}
    return {ours: us, JOB: name, TASK: task.name, **labels}, {key: facts[key] for key in facts.keys() - labels.keys()}


def _pod(task: Task, entry: Kubernetes, wait: int, worker: int) -> dict[str, Any]:
    pod = pod_of(_container(task, entry, wait, worker), entry)
    if entry.node_selector:
        pod["nodeSelector"] = dict(entry.node_selector)
    return pod


def pod_of(container: Mapping[str, Any], entry: Kubernetes) -> dict[str, Any]:
    """A pod that may run wherever its storage can be reached."""
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service that is named like a setting would set it
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {**_OWNER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": CONTAINER, "securityContext": _CONFINED, **container}],
        "volumes": [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}, *claimed(entry)],
        "tolerations": [*_NODE_LOST, *(one.model_dump(exclude_defaults=True) for one in entry.tolerations)],
    }
    if entry.pull_secret:
        pod["imagePullSecrets"] = [{"name": entry.pull_secret}]
    if entry.service_account:
        pod["serviceAccountName"] = entry.service_account
    return pod


def _container(task: Task, entry: Kubernetes, wait: int, worker: int) -> dict[str, Any]:
    secrets = secrets_of(task)
    # A trial does not go on from another's.
    env = {**task.env, **({} if worker else {"CHECKPOINT_DIR": f"{APP}/{CHECKPOINTS}"})}
    limit = [f"--limit={task.resources.seconds}"] if task.resources.seconds else []
    linked = ["--linked"] if entry.store else []
    keeps = [f"--storage={task.name}/$({POD})"] if entry.claim else [f"--keep={wait}", *linked]
    does = [f"--alone={_ALONE}"] if worker else [*keeps, *limit]
    places = sorted({*_FOLDERS, *(one.place.partition("/")[0] for one in task.inputs)})
    mounts = [{"name": "work", "mountPath": f"{APP}/{place}", "subPath": place} for place in places]
    # A dollar would begin the name of another variable.
    variables = [{"name": name, "value": env[name].replace("$", "$$")} for name in sorted(env) if name not in secrets]
    return {
        "image": task.image,
        "command": [RUN, "hosted", f"--wait={wait}", *does],
        "env": [*variables, *([POD_NAME] if entry.claim else [])],
        "resources": _resources(task.resources),
        "volumeMounts": [*(mounts_in_claim(task.name, places) if entry.claim else mounts), TMP],
    }


def _resources(given: Resources) -> dict[str, Any]:
    amounts = {"cpu": f"{given.cpu:g}"} if given.cpu else {}
    if given.memory:
        amounts["memory"] = f"{given.memory[:-1]}{given.memory[-1].upper()}i"
    requests = dict(amounts)
    if given.gpu:
        amounts["nvidia.com/gpu"] = str(given.gpu)
    return {"requests": requests, "limits": amounts} if amounts else {}
