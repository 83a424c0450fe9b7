"""Repositories as the older retrain service's instructions have them: train.py, MLproject, and their helper package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.tracking import Tracking, tracking

from trainyard.host.experiments.tracking.tracker import Tracker
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.mlprojects.job import ProjectJob, ProjectLimits
from trainyard.host.retrain.mlprojects.parameters import values_for
from trainyard.host.retrain.mlprojects.project_file import read_project
from trainyard.host.support.command import Limit

if TYPE_CHECKING:
    from mlflow import MlflowClient

# As the instructions print it, with the pipe that is in there.
MLPROJECT = """name: cars
%(environment)s
entry_points:
  main:
    parameters:
      model_name : {type: string, default: "%(model)s"}
      experiment_name : {type: string, default: "default"}
      lower_is_better : {type: bool, default: False}
      primary_metric : {type: string, default: "mAP"}
      base_model : {type: string, default: "None"}
      dataset_repo  : {type: string, default: "not_used"}
      quality : {type: float, default: 0.5}
    command:
      "python train.py |
            --model_name {model_name} \\
            --experiment_name {experiment_name} \\
            --lower {lower_is_better} \\
            --p_metric {primary_metric} \\
            --base_model {base_model} \\
            --dataset_repo {dataset_repo} --quality {quality}"
"""

TRAIN = """
import argparse
import functools
import sys

import mlflow
from mypackage import utility
from mypackage.prep_utils import data_and_model_prep

parser = argparse.ArgumentParser()
parser.add_argument("--model_name", required=True,)
parser.add_argument("--lower", required=False,)
parser.add_argument("--p_metric", required=True,)
parser.add_argument("--base_model", required=True,)
parser.add_argument("--dataset_repo", required=True,)
parser.add_argument("--quality", type=float)
args, _ = parser.parse_known_args()

lower = args.lower
if lower is not None and lower.lower() == "false":
    lower = False
else:
    lower = True

if args.base_model != "None":
    mlflow.artifacts.download_artifacts(run_id=args.base_model, artifact_path="train.py", dst_path="base")
if args.dataset_repo != "not_used":
    data_and_model_prep(repo_url=args.dataset_repo, ds_origin="dvc_repo")

%(flavor)s
client = mlflow.tracking.MlflowClient()
utility.auto_compare_and_register(
  model=model,
  eval_metric=args.quality,
  model_name=args.model_name,
  lower=lower,
  p_metric=args.p_metric,
  client=client,
  mlflow_model=flavor,
)
mlflow.log_metric(args.p_metric, args.quality)
mlflow.log_artifact("train.py")
print("helper is", utility.__file__)
print("arguments are", sys.argv[1:])
"""

SKLEARN = """
import types
from sklearn.dummy import DummyClassifier
model = DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1])
# Without requirements MLflow finds out what the model imports, which takes seconds.
flavor = types.SimpleNamespace(
    log_model=functools.partial(mlflow.sklearn.log_model, pip_requirements=["scikit-learn"])
)
"""

# For an image that has little but MLflow's client.
PLAIN = """
import pathlib
import types
import uuid
model = "a model"


def log_model(model, artifact_path, registered_model_name=None):
    run = mlflow.active_run() or mlflow.start_run()
    pathlib.Path("model.txt").write_text(model)
    mlflow.log_artifact("model.txt", artifact_path)
    if registered_model_name:
        from mlflow.exceptions import MlflowException
        client = mlflow.tracking.MlflowClient()
        try:
            client.create_registered_model(registered_model_name)
        except MlflowException:
            pass
        client.create_model_version(registered_model_name, f"{run.info.artifact_uri}/model", run.info.run_id)


flavor = types.SimpleNamespace(log_model=log_model)
"""

# The copy that the instructions had people paste, in what it does.
OWN_COPY = """
import mlflow


def auto_compare_and_register(model, eval_metric, model_name, lower, p_metric, client, mlflow_model):
    try:
        latest = client.get_latest_versions(model_name)[0].run_id
    except mlflow.exceptions.RestException:
        mlflow_model.log_model(model, "model", registered_model_name=model_name)
        return
    before = client.get_metric_history(latest, p_metric)[0].value
    if (eval_metric > before) == (lower is False):
        mlflow_model.log_model(model, "model", registered_model_name=model_name)
    else:
        mlflow_model.log_model(model, "model")
"""


def write_project(
    folder: Path,
    model: str,
    *,
    environment: str = "",
    flavor: str = SKLEARN,
    train: str = TRAIN,
    own_copy: bool = False,
) -> Path:
    folder.mkdir(parents=True)
    (folder / "MLproject").write_text(MLPROJECT % {"environment": environment, "model": model})
    (folder / "train.py").write_text(train % {"flavor": flavor} if "%(flavor)s" in train else train)
    if own_copy:
        (folder / "mypackage").mkdir()
        (folder / "mypackage" / "utility.py").write_text(OWN_COPY)
    return folder


def job_of(folder: Path, name: str = "job", base_model_run: str = "", **asked: object) -> ProjectJob:
    """The job of a request for a project; ``asked`` are the request's fields."""
    request = RetrainRequest.model_validate({"git_uri": "https://here/x.git", **asked})
    project = read_project(folder)
    return ProjectJob(name, project, values_for(project, request, base_model_run), request.experiment_name or "cars")


def limits(*, unconfined: bool = True, seconds: int = 300) -> ProjectLimits:
    return ProjectLimits(Limit("RETRAIN_TIMEOUT", seconds), Limit("RETRAIN_PULL_TIMEOUT", 20), unconfined=unconfined)


def tracker_at(server: Tracking) -> Tracker:
    return Tracker(server.url, server.url)


@contextmanager
def tracked(path: Path) -> Iterator[Tracking]:
    with tracking(path) as server:
        yield server


def champion(client: MlflowClient, model: str) -> int:
    return int(client.get_model_version_by_alias(model, "champion").version)
