"""A walk through the verbs of runs: a training, a tuning and an experiment become versions, the best the champion.

With a real MLflow server, on the process engine. What else they promise is tested in the files beside this one.
"""

from __future__ import annotations

from pathlib import Path

from monorepo import free_port
from walking import OF_RUNS, PROJECT, Walk, repository

from trainyard.host.verbs.verb_table import MODEL, TOP


def test_runs_and_a_promotion(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    folder = repo.path / "projects" / PROJECT / "first"
    walk, top = Walk(repo, MODEL, folder), Walk(repo, TOP, repo.path)
    try:
        top("track", "DETACH=1", f"TRACK_PORT={free_port()}", part="Runs are tracked")
        walk("train", part="it is the first version")
        walk("train", "BASE_MODEL=latest", part="The training begins from")
        walk("tune", "TRIALS=2", "WORKERS=1", part="2/2")
        (folder / "experiment.yaml").write_text(f"model: {PROJECT}/first\nmodel_params: {{x: 1.9}}\n")
        walk("experiment", "CONFIG=experiment.yaml", part="better by")
        walk("rollback", part="champion again")
        walk("promote", part="better by")
        top("experiment", "-n", f"CONFIG={folder}/experiment.yaml")
        top("track-sync", part="were there")
    finally:
        port = free_port()
        top("retrain-service", "DETACH=1", f"RETRAIN_PORT={port}", part="Jobs are taken at")
        url = f"RETRAIN_URL=http://127.0.0.1:{port}"
        top("retrain", f"MODEL={PROJECT}/first", "WAIT=1", url, part="Version .* champion")
        token = top("retrain-token", "NAME=me", part="try_").out.strip()
        top("retrain", f"MODEL={PROJECT}/first", url, f"RETRAIN_TOKEN={token}", part="Job ")
        top("retrain-stop", part="Stopped the retrain service")
        top("track-stop", part="Stopped")
    runs = sorted(path.name for path in (folder.parent / "runs").iterdir())
    top("ci-report", part="Compared with")
    top("ci-build", "SINCE=HEAD", part="nothing is built|predict")
    top("ci-files", "CI=github,gitlab", part="Wrote .gitlab-ci.yml")
    top("ci-test", "SINCE=HEAD", part="nothing is tested")
    top("ci-promote", "SINCE=HEAD", part="Nothing was trained that")
    top("ci-train", part="Nothing is to be trained")
    for of in (walk, top):
        of("runs", part="finished")
        of("run-show", part="loss")
        of("report", part="report.html")
        of("reproduce", f"ID={runs[0]}", part="is reproduced")
        of("compare", f"ID={runs[0]} {runs[-1]}", part="loss")
        of.was_whole(OF_RUNS)
