"""Where folders of a container are: in the claim that compute.yaml names as its storage, or in the pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainyard.contract import hosted, run_folder
from trainyard.host.build.builder_files import APP_ROOT
from trainyard.host.compute.compute_file import Kubernetes

APP = APP_ROOT["train"]
CHECKPOINTS = "checkpoints"
POD = "POD_NAME"  # a variable of the container
POD_NAME = {"name": POD, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 -- the container's
ALL = {"name": "storage", "mountPath": f"{APP}/{hosted.STORAGE}"}
_TASKS = "tasks"  # trainyard/image/train/stored.py says what is in there


def claimed(entry: Kubernetes) -> list[dict[str, Any]]:
    """The volume of the claim; none where there is no such storage."""
    return [{"name": "storage", "persistentVolumeClaim": {"claimName": entry.claim}}] if entry.claim else []


def mounts_in_claim(task: str, places: Sequence[str]) -> list[dict[str, Any]]:
    """Folders at ``places`` in the claim. Each pod has its own: that of a lost node may go on writing. Checkpoints are
    those of all, and marks, which may be secrets, are in the pod. All of the claim is there as well: a link leads from
    one mount to the same, and not to another."""
    mounts: list[dict[str, Any]] = [
        {"name": "storage", "mountPath": f"{APP}/{place}", "subPathExpr": f"{_TASKS}/{task}/$({POD})/{place}"}
        for place in places
        if place != CHECKPOINTS
    ]
    checkpoints = {"name": "storage", "mountPath": f"{APP}/{CHECKPOINTS}", "subPath": f"{_TASKS}/{task}/{CHECKPOINTS}"}
    marks = {"name": "work", "mountPath": f"{APP}/{run_folder.MOUNT}/{hosted.FOLDER}", "subPath": "marks"}
    return [*mounts, checkpoints, marks, ALL]
