"""Bills of materials (make sbom); a part of every engine's contract."""

from __future__ import annotations

import hashlib
import json
from typing import ClassVar

import pytest
from monorepo import Model, Monorepo


class BillsOfMaterials:
    """What make sbom writes."""

    variables: ClassVar[dict[str, str]]

    @pytest.mark.slow
    def test_a_bill_of_materials_says_what_is_in_the_image(self, repo: Monorepo) -> None:
        from cyclonedx.schema import SchemaVersion  # takes two seconds
        from cyclonedx.validation.json import JsonStrictValidator

        model = repo.add_model("listed")
        for role in ("train", "predict"):
            (model.path / f"requirements_{role}.txt").write_text("tinydb==4.8.2\n")
        repo.make(model, "train", **self.variables).succeeded()
        repo.make(model, "sbom", "BAKE=1", **self.variables).succeeded()
        texts = {role: self.text(repo, model, role) for role in ("train", "predict")}
        for text in texts.values():
            assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        bill = json.loads(texts["predict"])
        assert bill["metadata"]["component"]["name"] == f"{model.container}-predict"
        parts = {part["bom-ref"]: part for part in bill["components"]}
        tinydb = parts["pkg:pypi/tinydb@4.8.2"]
        assert "MIT" in json.dumps(tinydb["licenses"])
        lock = (repo.path / ".trainyard" / "locks").glob("*/*.lock")
        locked = "".join(path.read_text() for path in lock)
        hashes = [item["content"] for item in tinydb["externalReferences"][0]["hashes"]]
        assert hashes
        assert all(f"sha256:{sha256}" in locked for sha256 in hashes)
        needs = {item["ref"]: item.get("dependsOn", []) for item in bill["dependencies"]}
        assert any(name.startswith("pkg:pypi/werkzeug@") for ref in needs if "flask" in ref for name in needs[ref])
        baked = parts["models/listed.pkl"]
        assert baked["type"] == "machine-learning-model"
        assert baked["hashes"][0]["content"] == hashlib.sha256(model.binary.read_bytes()).hexdigest()
        assert any(ref.startswith("pkg:deb/") for ref in parts) == (repo.engine != "process")
        repo.make(model, "sbom", **self.variables).succeeded()
        assert {role: self.text(repo, model, role) for role in texts} == texts

    def test_the_merged_image_has_one_too(self, repo: Monorepo) -> None:
        repo.add_model("joined", "bills")
        folder = repo.add_all("bills")
        repo.make(folder, "sbom", **self.variables).succeeded()
        path = repo.path / ".trainyard" / "sbom" / f"{repo.container('bills-all')}.cdx.json"
        names = {part["name"] for part in json.loads(path.read_text())["components"]}
        assert {"Flask", "gunicorn", "python"} <= names

    def text(self, repo: Monorepo, model: Model, role: str) -> str:
        return (repo.path / ".trainyard" / "sbom" / f"{model.container}-{role}.cdx.json").read_text()
