"""What every engine and builder must do, seen through make and HTTP. Their test classes inherit it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from engines.contract.baking import BakedImages
from engines.contract.confinement import LINES, REPORT, report_from
from engines.contract.interrupted_builds import InterruptedBuilds
from engines.contract.running import SAMPLE, RunningContract
from monorepo import Client, Made, Model, Monorepo, ask, interrupt
from needs import need


class BuildingContract(InterruptedBuilds, BakedImages):
    """Inherit, and say which engine and builder."""

    engine: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()
    variables: ClassVar[dict[str, str]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def repo(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
        for program in cls.programs:
            need(program)
        repo = Monorepo(tmp_path_factory.mktemp("repo"), cls.engine)
        yield repo
        repo.make(None, "clean")

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, repo: Monorepo) -> Model:
        """A trained model with both images."""
        model = repo.add_model("double")
        report_from(model)
        for verb in ("build-train", "train", "build-predict"):
            repo.make(model, verb, **cls.variables).succeeded()
        return model

    def make(self, repo: Monorepo, where: Model | Path | None, *arguments: str) -> Made:
        return repo.make(where, *arguments, **self.variables)

    @pytest.mark.slow
    def test_payload_is_merged_over_the_default_one(self, repo: Monorepo) -> None:
        model = repo.add_model("tenfold")
        self.make(repo, model, "train", 'PAYLOAD={"factor": 10}').succeeded()  # builds the missing image, too
        with repo.serving(model, **self.variables) as port:
            status, body = ask(port, "tenfold/predict", SAMPLE)
        assert (status, json.loads(body)) == (200, {"payload": {"predictions": [30, 70]}})

    def test_serving_in_the_background(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, **self.variables) as port:
            made = repo.make(model, "test-endpoint", f"PORT={port}").succeeded()
            assert json.loads(made.out) == {"payload": {"predictions": [6, 14]}}
            logs = repo.make(model, "logs").succeeded()
            assert "double/predict" in logs.out + logs.err
            rows = [line.split() for line in repo.make(None, "list").succeeded().out.splitlines()]
            assert ["sums", "double", "double/predict", "yes", "yes", "yes"] in rows
            with Client(port, "double/predict") as client:
                assert client.post([[REPORT]])[0]["lines"] == list(LINES)
        with pytest.raises(OSError, match="refused"):
            ask(port, "health")

    @pytest.mark.slow
    def test_a_training_is_recorded_with_the_image_that_ran(self, repo: Monorepo) -> None:
        model = repo.add_model("recorded")
        self.make(repo, model, "train").succeeded()
        first = json.loads(model.record.read_text())["built"]
        assert self.identity_of(repo, f"{model.container}-train") == first["identity"] != ""
        model.replace("train.py", '"rows": len(rows)}, file', '"rows": len(rows), "edited": True}, file')
        made = self.make(repo, model, "train", "BUILD=0").succeeded()
        assert "BUILD=0 runs it as it is" in made.err
        assert json.loads(model.record.read_text())["built"] == {**first, "sources": "changed"}
        assert "so it is built first" in self.make(repo, model, "train").succeeded().err
        second = json.loads(model.record.read_text())["built"]
        assert self.identity_of(repo, f"{model.container}-train") == second["identity"] != first["identity"]
        assert second["sources"] == "same"
        assert b"edited" in model.binary.read_bytes()

    def identity_of(self, repo: Monorepo, image: str) -> str:
        """Of what an image was built from, as the image says."""
        raise NotImplementedError

    # -- building -----------------------------------------------------------------------------------------------

    @pytest.mark.slow
    def test_an_edit_is_built_without_installing_anything(self, repo: Monorepo, model: Model) -> None:
        edited = repo.add_model("edited")
        self.make(repo, edited, "train").succeeded()
        self.make(repo, edited, "build-predict").succeeded()
        edited.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
        made = self.make(repo, edited, "build-predict").succeeded()
        assert "installed already" in made.err
        assert "Installing dependencies" not in made.err
        with repo.serving(edited, **self.variables) as port:
            assert json.loads(ask(port, "edited/predict", SAMPLE)[1])["payload"]["predictions"] == [7, 15]

    def test_a_route_to_nowhere_fails_the_build_and_names_the_line(self, repo: Monorepo) -> None:
        model = repo.add_model("typo")
        model.replace(".s2i/environment", "predict_typo", "predict_tipo")
        made = self.make(repo, model, "build-predict")
        made.failed("projects/sums/typo/.s2i/environment:1", "predict_tipo", "predict_typo")
        assert self._image_column(repo, "typo") == ["-", "-", "-"]

    @pytest.mark.slow
    def test_a_dry_run_shows_and_does_nothing(self, repo: Monorepo) -> None:
        model = repo.add_model("dry")
        shown = self.make(repo, model, "-n", "build-train").succeeded().out
        assert f"{model.container}-train" in shown
        for verb in ("train", "build-predict", "predict", "test-endpoint", "clean"):
            self.make(repo, model, "-n", verb).succeeded()
        assert self._image_column(repo, "dry") == ["-", "-", "-"]

    def test_two_builds_of_one_model_at_once(self, repo: Monorepo) -> None:
        model = repo.add_model("twice")
        builds = [repo.spawn(model, "build-predict", **self.variables) for _ in range(2)]
        outputs = [build.communicate(timeout=300)[0] for build in builds]
        assert [build.returncode for build in builds] == [0, 0], outputs
        assert self._image_column(repo, "twice") == ["-", "-", "yes"]

    @pytest.mark.slow
    def test_ctrl_c_in_the_middle_of_a_build(self, repo: Monorepo) -> None:
        model = repo.add_model("slow")
        model.replace("predict.py", "MODEL =", "import time\ntime.sleep(float(os.getenv('NAP', '30')))\nMODEL =")
        build = repo.spawn(model, "build-predict", **self.variables)
        assert build.stdout is not None
        for line in build.stdout:
            if "Checking .s2i/environment" in line:
                break
        output = interrupt(build)
        assert "Traceback" not in output
        assert build.returncode != 0
        assert self._image_column(repo, "slow") == ["-", "-", "-"]
        model.replace("predict.py", "'30'", "'0'")
        self.make(repo, model, "build-predict").succeeded()

    @pytest.mark.slow
    def test_clean_removes_the_images_and_keeps_the_binary(self, repo: Monorepo) -> None:
        model = repo.add_model("tidy")
        self.make(repo, model, "train").succeeded()
        assert self._image_column(repo, "tidy") == ["yes", "yes", "-"]
        self.make(repo, model, "clean").succeeded()
        assert self._image_column(repo, "tidy") == ["yes", "-", "-"]

    def test_a_model_directory_is_built_by_build_sh(self, repo: Monorepo) -> None:
        model = repo.add_model("scripted")
        env = repo.environment(**self.variables)
        image = f"{model.container}-predict"
        subprocess.run(["sh", "build.sh", image, str(model.path), "predict"], cwd=repo.path, env=env, check=True)
        assert self._image_column(repo, "scripted") == ["-", "-", "yes"]

    # -- merging ------------------------------------------------------------------------------------------------

    @pytest.mark.slow
    def test_many_models_in_one_image(self, repo: Monorepo) -> None:
        repo.add_model("one", "merged")
        missing = repo.add_model("two", "merged")
        folder = repo.add_all("merged")
        self.make(repo, folder, "train-all").succeeded()
        missing.binary.unlink()
        with repo.serving(folder, "predict-all", MODEL_NAME="two", **self.variables) as port:
            assert json.loads(ask(port, "one/predict", SAMPLE)[1])["payload"]["predictions"] == [6, 14]
            status, body = ask(port, "two/predict", SAMPLE)
            assert status == 503
            assert "two.pkl" in body
            repo.make(folder, "test-all", f"PORT={port}").failed("two/predict: status 503", "two.pkl")
            self.make(repo, missing, "train").succeeded()
            repo.make(folder, "test-all", f"PORT={port}").succeeded()

    @pytest.mark.slow
    def test_every_project_in_one_image(self, repo: Monorepo, tmp_path: Path) -> None:
        whole = Monorepo(tmp_path / "whole", self.engine)
        for project in ("north", "south"):
            whole.add_model(f"{project}ern", project)
        try:
            self.make(whole, None, "-j2", "train-all").succeeded()
            with whole.serving(whole.path / "all", "predict-all", **self.variables) as port:
                whole.make(None, "test-all", f"PORT={port}").succeeded()
        finally:
            whole.make(None, "clean")

    def _image_column(self, repo: Monorepo, name: str) -> list[str]:
        """Of ``make list``: binary, train image, predict image."""
        rows = [line.split() for line in repo.make(None, "list").succeeded().out.splitlines()]
        return next(row[-3:] for row in rows if row[1:2] == [name])


class EngineContract(BuildingContract, RunningContract):
    """Inherit, and say which engine."""
