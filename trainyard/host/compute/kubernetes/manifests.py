"""A task as a Job of Kubernetes. What it says of a task is nobody's secret: those go with its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from trainyard.host.build.builder_files import APP_ROOT
from trainyard.host.compute.base import GRACE, LONGEST, Task
from trainyard.host.compute.compute_file import Kubernetes, Resources
from trainyard.host.engines.container.runner import RUN
from trainyard.settings.host import SECRETS

APP = APP_ROOT["train"]
CONTAINER = "train"
OURS = "app.kubernetes.io/managed-by=trainyard"  # a selector, and the label of all that is ours
JOB, TASK = "trainyard.dev/job", "trainyard.dev/task"  # a task that is a tuning has a Job for each worker
_ALONE = 120  # seconds after which a worker that nobody talks to ends
CHECKPOINTS = "checkpoints"
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


def job(task: Task, entry: Kubernetes, wait: int, worker: int = 0) -> str:
    """The manifest of its Job, always the same text for the same task. ``wait``: seconds that it may wait for its
    files, and to be fetched."""
    name = job_name(task.name, worker)
    labels, annotations = _described(task, name)
    spec: dict[str, Any] = {
        "backoffLimit": 0,  # whoever submitted it begins it again
        "activeDeadlineSeconds": (task.resources.seconds or LONGEST) + 2 * wait,
        "ttlSecondsAfterFinished": wait,
        "podReplacementPolicy": "Failed",
        "template": {
            "metadata": {"labels": labels, "annotations": annotations}, "spec": _pod(task, entry, wait, worker)
        },
    }  # fmt: skip
    if entry.queue:
        labels = {**labels, "kueue.x-k8s.io/queue-name": entry.queue}
        spec["suspend"] = True  # Kueue lets it begin
    metadata = {"name": name, "labels": labels, "annotations": annotations}
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
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service that is named like a setting would set it
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {**_OWNER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(task, wait, worker)],
        "volumes": [{"name": "work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        "tolerations": [*_NODE_LOST, *(one.model_dump(exclude_defaults=True) for one in entry.tolerations)],
    }
    if entry.node_selector:
        pod["nodeSelector"] = dict(entry.node_selector)
    if entry.pull_secret:
        pod["imagePullSecrets"] = [{"name": entry.pull_secret}]
    if entry.service_account:
        pod["serviceAccountName"] = entry.service_account
    return pod


def _container(task: Task, wait: int, worker: int) -> dict[str, Any]:
    secrets = secrets_of(task)
    # A trial does not go on from another's.
    env = {**task.env, **({} if worker else {"CHECKPOINT_DIR": f"{APP}/{CHECKPOINTS}"})}
    limit = [f"--limit={task.resources.seconds}"] if task.resources.seconds else []
    does = [f"--alone={_ALONE}"] if worker else [f"--keep={wait}", *limit]
    places = sorted({*_FOLDERS, *(one.place.partition("/")[0] for one in task.inputs)})
    mounts = [{"name": "work", "mountPath": f"{APP}/{place}", "subPath": place} for place in places]
    return {
        "name": CONTAINER,
        "image": task.image,
        "command": [RUN, "hosted", f"--wait={wait}", *does],
        # A dollar would begin the name of another variable.
        "env": [{"name": name, "value": env[name].replace("$", "$$")} for name in sorted(env) if name not in secrets],
        "resources": _resources(task.resources),
        "securityContext": _CONFINED,
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 -- the container's
    }


def _resources(given: Resources) -> dict[str, Any]:
    amounts = {"cpu": f"{given.cpu:g}"} if given.cpu else {}
    if given.memory:
        amounts["memory"] = f"{given.memory[:-1]}{given.memory[-1].upper()}i"
    requests = dict(amounts)
    if given.gpu:
        amounts["nvidia.com/gpu"] = str(given.gpu)
    return {"requests": requests, "limits": amounts} if amounts else {}
