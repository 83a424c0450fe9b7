"""Layers and labels of baked images, where images have such: docker and podman."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from engines.calls import call, left_in_the_end, listed
from engines.contract.baking import BakedImages
from monorepo import Model, Monorepo

LABEL = "trainyard.model.sha256"


class ImageLabels:
    """What the contract asks of an image, answered from its labels and files."""

    def label_of(self, repo: Monorepo, model: Model) -> str:
        config = self.inspect(model)["Config"]
        label = str(config["Labels"].get(LABEL, ""))
        baked = [line for line in config["Env"] if line.startswith("BAKED_MODELS=")]
        assert baked == ([f"BAKED_MODELS={label}"] if label else [])
        return label

    def identity_of(self, _: Monorepo, image: str) -> str:
        found = json.loads(call(self.engine, "image", "inspect", image))[0]
        return str(found["Config"]["Labels"]["trainyard.identity"])

    def replace_binary(self, repo: Monorepo, model: Model) -> None:
        image = f"{model.container}-predict"
        container = call(self.engine, "create", image).strip()
        try:
            for path in (model.binary, model.record):
                call(self.engine, "cp", str(path), f"{container}:/action/models/{path.name}")
            call(self.engine, "commit", container, image)
        finally:
            call(self.engine, "rm", container)

    def inspect(self, model: Model) -> dict[str, Any]:
        return dict(json.loads(call(self.engine, "image", "inspect", f"{model.container}-predict"))[0])


class BakedLayers(ImageLabels, BakedImages):
    """What is true of binaries in a layer of their own."""

    engine: ClassVar[str]

    def test_neither_the_code_nor_the_binary_moves_the_other(self, repo: Monorepo) -> None:
        model = repo.add_model("layered")
        repo.make(model, "train", **self.variables).succeeded()
        self.bake(repo, model).succeeded()
        first = self.layers(model)
        model.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
        self.bake(repo, model).succeeded()
        edited = self.layers(model)
        assert (edited[:-2], edited[-1]) == (first[:-2], first[-1])
        assert edited[-2] != first[-2]
        repo.make(model, "train", 'PAYLOAD={"factor": 10}', **self.variables).succeeded()
        self.bake(repo, model).succeeded()
        retrained = self.layers(model)
        assert retrained[:-1] == edited[:-1]
        assert retrained[-1] != edited[-1]

    def test_nothing_stays_behind(self, repo: Monorepo) -> None:
        model = repo.add_model("neat")
        for factor in (2, 3):
            repo.make(model, "train", f'PAYLOAD={{"factor": {factor}}}', **self.variables).succeeded()
            self.bake(repo, model).succeeded()
        label = f"label=io.k8s.display-name={model.container}-predict"
        assert len(left_in_the_end(self.engine, 1, "--quiet", "--filter", label)) == 1
        assert len(listed(self.engine, "--quiet", f"{model.container}-predict:sources")) == 1
        repo.make(model, "clean").succeeded()
        assert listed(self.engine, "--quiet", "--filter", label) == []
        assert listed(self.engine, "--quiet", f"{model.container}-predict:sources") == []

    def test_a_replaced_image_stays_where_somebody_has_named_it(self, repo: Monorepo) -> None:
        model = repo.add_model("released")
        image, kept = f"{model.container}-predict", f"{model.container}-release:v1"
        label = f"label=io.k8s.display-name={image}"
        ids = []
        for edit in ("1 + sum(row)", "2 + sum(row)", "3 + sum(row)"):
            repo.make(model, "build-predict", **self.variables).succeeded()
            ids.append(call(self.engine, "image", "inspect", "--format", "{{.Id}}", image))
            if not ids[1:]:
                call(self.engine, "tag", image, kept)
            model.replace("predict.py", "sum(row)", edit)
        assert len(left_in_the_end(self.engine, 2, "--quiet", "--filter", label)) == 2, "the second was nobody's"
        assert call(self.engine, "image", "inspect", "--format", "{{.Id}}", kept) == ids[0]
        call(self.engine, "rmi", kept)

    def layers(self, model: Model) -> list[str]:
        return list(self.inspect(model)["RootFS"]["Layers"])
