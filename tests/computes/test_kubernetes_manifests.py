"""The Job of a task: what stands in it, and what does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.compute.base import InputFile, StoredInput, Task
from trainyard.host.compute.compute_file import Kubernetes, parse_entry
from trainyard.host.compute.kubernetes.manifests import facts_of, job, secrets_of
from trainyard.host.compute.submitted import SubmittedTasks
from trainyard.host.experiments.yaml_files import parse_text

LABELS = {"run": "20261130-205932-" + "long" * 20 + "-a1b2c3", "model": "wine/bayes", "clone": "0123abc", "until": "17"}
MINIMAL = "{kind: kubernetes, registry: 'registry.example.com/team'}"


def entry(text: str = MINIMAL) -> Kubernetes:
    file = parse_text(Path("compute.yaml"), f"far: {text}\n")
    found = parse_entry(file, "far", file.content["far"])
    assert isinstance(found, Kubernetes)
    return found


def task(given: Kubernetes, **env: str) -> Task:
    data = InputFile("data/wine.csv", Path("/tmp/wine.csv"), 3, "ab" * 32)
    base = InputFile("base/model.pkl", Path("/tmp/model.pkl"), 3, "cd" * 32)
    return Task(
        "ty-20261130-205932-a1b2c3", LABELS["run"], "wine/bayes", "registry.example.com/team/wine@sha256:12", env,
        [data, base], ["run/model"], given.resources, labels=LABELS,
    )  # fmt: skip


def made(text: str = MINIMAL, **env: str) -> Any:
    given = entry(text)
    return json.loads(job(task(given, **env), given, 600))


def pod(text: str = MINIMAL, **env: str) -> Any:
    return made(text, **env)["spec"]["template"]["spec"]


def test_the_same_task_is_the_same_text() -> None:
    given = entry()
    one, other = task(given, A="1", B="2"), task(given, B="2", A="1")
    assert job(one, given, 600) == job(other, given, 600)


def test_labels_are_kept_whatever_they_hold() -> None:
    """A value of a label has 63 letters at most, and no slash."""
    metadata = made()["metadata"]
    assert metadata["labels"]["trainyard.dev/clone"] == "0123abc"
    assert set(metadata["annotations"]) == {"trainyard.dev/run", "trainyard.dev/model"}
    assert LABELS.items() <= facts_of(made()).items()


def test_secrets_stand_in_no_manifest() -> None:
    given = entry()
    secret = task(given, MLFLOW_TRACKING_PASSWORD="hunter2", PAYLOAD="{}")
    assert "hunter2" not in job(secret, given, 600)
    assert secrets_of(secret) == {"MLFLOW_TRACKING_PASSWORD": "hunter2"}


def test_values_are_not_expanded() -> None:
    """Kubernetes reads $(NAME) in a value, and $$ as $."""
    env = {one["name"]: one["value"] for one in pod(PAYLOAD='{"$ref": "$(A) $$"}')["containers"][0]["env"]}
    assert env["PAYLOAD"] == '{"$$ref": "$$(A) $$$$"}'
    assert env["CHECKPOINT_DIR"] == "/model/checkpoints"


def test_resources() -> None:
    container = pod("{kind: kubernetes, registry: r, resources: {cpu: 0.5, memory: 16g, gpu: 2, time: 1h}}")[
        "containers"
    ][0]
    assert container["resources"] == {
        "requests": {"cpu": "0.5", "memory": "16Gi"},
        "limits": {"cpu": "0.5", "memory": "16Gi", "nvidia.com/gpu": "2"},
    }
    assert "--limit=3600" in container["command"]
    assert pod()["containers"][0]["resources"] == {}


def test_what_it_may_take_ends_the_job() -> None:
    assert made("{kind: kubernetes, registry: r, resources: {time: 1h}}")["spec"]["activeDeadlineSeconds"] == 4800


def test_places_of_the_entry() -> None:
    text = """
  kind: kubernetes
  registry: r
  queue: gpus
  service_account: trainer
  pull_secret: pulls
  node_selector: {disk: fast}
  tolerations: [{key: gpu, operator: Exists, effect: NoSchedule}]
"""
    found = made(text)
    assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert found["spec"]["suspend"] is True
    inner = found["spec"]["template"]["spec"]
    assert inner["serviceAccountName"] == "trainer"
    assert inner["imagePullSecrets"] == [{"name": "pulls"}]
    assert inner["nodeSelector"] == {"disk": "fast"}
    assert inner["tolerations"][-1] == {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert "suspend" not in made()["spec"]


def test_folders_that_are_read_only_elsewhere_can_be_written() -> None:
    mounts = {one["mountPath"] for one in pod()["containers"][0]["volumeMounts"]}
    folders = {f"/model/{name}" for name in ("data", "models", "run", "runs", "checkpoints", "base")}
    assert mounts == {*folders, "/tmp"}


def test_each_pod_has_its_own_folder_in_a_claim() -> None:
    """But for the checkpoints; secrets are in the pod."""
    found = made("{kind: kubernetes, registry: r, storage: {volume: kept}}")
    inner = found["spec"]["template"]["spec"]
    mounts = {one["mountPath"]: one for one in inner["containers"][0]["volumeMounts"]}
    task = "tasks/ty-20261130-205932-a1b2c3"
    assert mounts["/model/models"]["subPathExpr"] == f"{task}/$(POD_NAME)/models"
    assert mounts["/model/checkpoints"]["subPath"] == f"{task}/checkpoints"
    assert mounts["/model/run/.hosted"]["name"] == "work"
    assert {"name": "storage", "persistentVolumeClaim": {"claimName": "kept"}} in inner["volumes"]
    command = inner["containers"][0]["command"]
    assert "--storage=ty-20261130-205932-a1b2c3/$(POD_NAME)" in command
    assert not any(word.startswith("--keep") for word in command)
    assert "ttlSecondsAfterFinished" not in found["spec"]


def test_what_was_trained_leaves_a_pod_for_a_data_store() -> None:
    """Or waits in there to be fetched, where that fails. The Job is there until it is removed."""
    found = made("{kind: kubernetes, registry: r, storage: {store: lake}}")
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert {"--linked", "--keep=600"} <= set(container["command"])
    assert all(one["name"] in ("work", "tmp") for one in container["volumeMounts"])
    assert "ttlSecondsAfterFinished" not in found["spec"]
    assert made("{kind: kubernetes, registry: r, storage: copy}") == made()


def test_a_storage_names_its_volume() -> None:
    for text in ("{}", "{volume: ''}", "{volume: No_name}"):
        with pytest.raises(TrainyardError, match="volume"):
            entry(f"{{kind: kubernetes, registry: r, storage: {text}}}")


def test_a_registry_is_needed() -> None:
    with pytest.raises(TrainyardError, match="images reach a cluster by a registry"):
        entry("{kind: kubernetes}")


def test_a_task_is_kept_without_its_secrets(tmp_path: Path) -> None:
    kept = SubmittedTasks(tmp_path)
    given = task(entry("{kind: kubernetes, registry: r, resources: {memory: 1g}}"), API_TOKEN="s3cret", PAYLOAD="{}")
    kept.save(given)
    assert "s3cret" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert kept.read(given.name, {"API_TOKEN": "s3cret", "OTHER": "1"}) == given
    kept.save(far := replace(given, stored=(StoredInput("data/x.csv", "lake", "v1/x.csv", 3, "0a1b"),)))
    assert kept.read(given.name, {"API_TOKEN": "s3cret"}) == far
    alone = kept.read(given.name, {})
    assert alone is not None
    assert alone.unknown == ("API_TOKEN",)  # which is said where its files have to be sent
    kept.forget(given.name)
    assert kept.read(given.name, {}) is None
