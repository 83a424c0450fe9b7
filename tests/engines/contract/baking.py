"""Binaries inside images (BAKE=1); a part of every engine's contract."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import ClassVar

import pytest
from monorepo import Made, Model, Monorepo, ask, free_port

SAMPLE = b'{"payload": {"instances": [[1, 2], [3, 4]]}}'


class BakedImages:
    """What BAKE=1 does."""

    variables: ClassVar[dict[str, str]]

    def bake(self, repo: Monorepo, where: Model | Path, verb: str = "build-predict") -> Made:
        return repo.make(where, verb, "BAKE=1", **self.variables)

    @pytest.mark.slow
    def test_a_binary_can_be_part_of_the_image(self, repo: Monorepo) -> None:
        model = repo.add_model("baked")
        self.bake(repo, model).failed("models/baked.pkl: no such binary", "make train")
        repo.make(model, "train", **self.variables).succeeded()
        assert "Built" in self.bake(repo, model).succeeded().err
        assert "is up to date" in self.bake(repo, model).succeeded().err
        assert f"baked.pkl={hashlib.sha256(model.binary.read_bytes()).hexdigest()}" in self.label_of(repo, model)
        for path in (model.binary, model.record):
            path.rename(path.with_name(f"away.{path.name}"))  # it is not needed any more
        with repo.serving(model, **self.variables) as port:
            repo.make(model, "test-endpoint", f"PORT={port}").succeeded()

    @pytest.mark.slow
    def test_a_new_binary_is_baked_by_a_new_build(self, repo: Monorepo) -> None:
        model = repo.add_model("renewed")
        repo.make(model, "train", **self.variables).succeeded()
        self.bake(repo, model).succeeded()
        repo.make(model, "train", 'PAYLOAD={"factor": 10}', **self.variables).succeeded()
        self.predicts(repo, model, [6, 14])
        self.predicts(repo, model, [30, 70], MOUNT="1")
        made = self.bake(repo, model).succeeded()
        assert "Checking .s2i/environment" not in made.err or repo.engine == "process", "the sources were built again"
        self.predicts(repo, model, [30, 70])
        model.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
        self.bake(repo, model).succeeded()
        self.predicts(repo, model, [31, 71])
        repo.make(model, "build-predict", **self.variables).succeeded()
        assert self.label_of(repo, model) == ""

    @pytest.mark.slow
    def test_binaries_that_were_not_baked_are_refused(self, repo: Monorepo) -> None:
        """Whoever changes the files of an image, or mounts others over them, has not changed its configuration."""
        model = repo.add_model("guarded")
        repo.make(model, "train", **self.variables).succeeded()
        self.bake(repo, model).succeeded()
        repo.make(model, "train", 'PAYLOAD={"factor": 10}', **self.variables).succeeded()
        self.replace_binary(repo, model)
        made = repo.make(model, "predict", "DETACH=1", f"PORT={free_port()}", **self.variables)
        made.failed("none of its routes serves")
        assert "guarded" in made.err
        assert "were baked into this image" in made.err

    @pytest.mark.slow
    def test_every_member_is_baked_into_the_merged_image(self, repo: Monorepo) -> None:
        models = [repo.add_model(name, "cake") for name in ("flour", "sugar")]
        folder = repo.add_all("cake")
        repo.make(models[0], "train", **self.variables).succeeded()
        self.bake(repo, folder, "build-image").failed("models/sugar.pkl: no such binary", "make train")
        repo.make(models[1], "train", **self.variables).succeeded()
        self.bake(repo, folder, "build-image").succeeded()
        for model in models:
            model.record.unlink()
        with repo.serving(folder, "predict-all", BAKE="", **self.variables) as port:
            repo.make(folder, "test-all", f"PORT={port}").succeeded()

    def predicts(self, repo: Monorepo, model: Model, expected: list[int], **env: str) -> None:
        with repo.serving(model, **env, **self.variables) as port:
            body = ask(port, f"{model.name}/predict", SAMPLE)[1]
        assert json.loads(body)["payload"]["predictions"] == expected

    def label_of(self, repo: Monorepo, model: Model) -> str:
        """The label trainyard.model.sha256 of its predict image."""
        raise NotImplementedError

    def replace_binary(self, repo: Monorepo, model: Model) -> None:
        """Put the present binary and record into the image, and nothing else."""
        raise NotImplementedError
