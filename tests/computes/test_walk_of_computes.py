"""A walk through the verbs of computes, and of images for other machines: on this machine, with docker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_registry import image_registry
from monorepo import Model, Monorepo, interrupt
from needs import need
from waiting import until
from walking import OF_COMPUTES, PROJECT, Walk, repository

from computes.found_runs import points, runs
from trainyard.host.verbs.verb_table import ALL, MODEL, TOP

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]


def leave(repo: Monorepo, model: Model, steps: int) -> str:
    """A training that goes on on the compute; its id."""
    before = runs(model)
    payload = json.dumps({"params": {"x": 2.5, "steps": steps, "pause": 0.25}})
    process = repo.spawn(model, "train", "COMPUTE=here", f"PAYLOAD={payload}")
    run = until(lambda: next(iter(runs(model) - before), None), 120, process.poll)
    until(lambda: points(run), 120, process.poll)
    assert "make attach" in interrupt(process)
    return f"ID={run.name}"


def test_computes_and_images_for_them(tmp_path: Path) -> None:
    need("docker")
    repo = repository(tmp_path / "repo", "docker")
    folder = repo.path / "projects" / PROJECT
    model = Model(folder / "first", PROJECT, "first", "")
    of_model, of_all = Walk(repo, MODEL, model.path), Walk(repo, ALL, folder / "all")
    top = Walk(repo, TOP, repo.path)
    try:
        top("compute-add", "NAME=here", "KIND=local", f"FOLDER={tmp_path}/far", part="here answers")
        top("computes", part="here +local .* yes ")
        for walk in (of_model, top):
            walk("attach", leave(repo, model, 20), part="make run-show")
            walk("cancel", leave(repo, model, 4000), part="is interrupted, and nothing of it is left on here")
        assert not list((tmp_path / "far" / "tasks").iterdir())
        with image_registry(tmp_path / "registry") as registry:
            for walk in (of_model, of_all):
                walk("push", f"REGISTRY={registry}", part=f"{registry}/.*@sha256:")
            top("push", f"REGISTRY={registry}", "SINCE=HEAD", part="nothing is pushed")
    finally:
        repo.make(None, "clean").succeeded()
    for walk in (of_model, of_all, top):
        walk.was_whole(OF_COMPUTES)
