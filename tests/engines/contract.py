"""What every engine must do, told through make and HTTP. Each engine's test class inherits it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pexpect
import pytest
from engines.baked import BakedImages
from engines.bills import BillsOfMaterials
from engines.broken import BrokenBuilds
from engines.confined import ConfinedServers, report_from
from engines.pruned import PrunedDependencies
from monorepo import Made, Model, Monorepo, ask, free_port, interrupt, wait_for
from needs import need

SAMPLE = b'{"payload": {"instances": [[1, 2], [3, 4]]}}'


class EngineContract(BrokenBuilds, ConfinedServers, BakedImages, BillsOfMaterials, PrunedDependencies):
    """Inherit, and say which engine."""

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

    # -- training -----------------------------------------------------------------------------------------------

    def test_training_leaves_a_binary_and_its_record(self, model: Model) -> None:
        record = json.loads(model.record.read_text())
        assert (record["model_name"], record["dataset"]) == ("double", "data/numbers.csv")
        assert record["sha256"] == hashlib.sha256(model.binary.read_bytes()).hexdigest()
        assert model.binary.stat().st_uid == os.getuid()

    def test_payload_is_merged_over_the_default_one(self, repo: Monorepo) -> None:
        model = repo.add_model("tenfold")
        self.make(repo, model, "train", 'PAYLOAD={"factor": 10}').succeeded()  # builds the missing image, too
        with repo.serving(model, **self.variables) as port:
            status, body = ask(port, "tenfold/predict", SAMPLE)
        assert (status, json.loads(body)) == (200, {"payload": {"predictions": [30, 70]}})

    def test_a_failing_training_shows_the_traceback_and_keeps_the_old_binary(self, repo: Monorepo) -> None:
        model = repo.add_model("fragile")
        self.make(repo, model, "train").succeeded()
        before = model.binary.read_bytes()
        model.replace("train.py", 'return {"rows"', 'raise ValueError("no luck")\n    return {"rows"')
        self.make(repo, model, "build-train").succeeded()
        made = self.make(repo, model, "train")
        assert made.status != 0
        assert "ValueError: no luck" in made.out + made.err
        assert model.binary.read_bytes() == before
        assert not list(model.binary.parent.glob(".staging*"))

    # -- serving ------------------------------------------------------------------------------------------------

    def test_serving_in_the_background(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, **self.variables) as port:
            made = repo.make(model, "test-endpoint", f"PORT={port}").succeeded()
            assert json.loads(made.out) == {"payload": {"predictions": [6, 14]}}
            logs = repo.make(model, "logs").succeeded()
            assert "double/predict" in logs.out + logs.err
            rows = [line.split() for line in repo.make(None, "list").succeeded().out.splitlines()]
            assert ["sums", "double", "double/predict", "yes", "yes", "yes"] in rows
        with pytest.raises(OSError, match="refused"):
            ask(port, "health")

    def test_workers_can_be_chosen(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, WORKERS="3", **self.variables):
            logs = repo.make(model, "logs").succeeded()
            assert "3 x " in logs.out + logs.err

    def test_ctrl_c_stops_a_server_in_the_foreground(self, repo: Monorepo, model: Model) -> None:
        port = free_port()
        process = repo.spawn(model, "predict", f"PORT={port}", **self.variables)
        wait_for(port)
        output = interrupt(process)
        assert "Traceback" not in output
        assert f"Stopped {model.container}-predict" in output
        with pytest.raises(OSError, match="refused"):
            ask(port, "health")
        assert "does not run" in repo.make(model, "stop").succeeded().err

    def test_a_port_in_use_is_said_with_its_holder(self, repo: Monorepo, model: Model) -> None:
        other = repo.add_model("second")
        with repo.serving(model, **self.variables) as port:
            made = repo.make(other, "predict", f"PORT={port}", **self.variables)
        made.failed(f"port {port} is in use by {model.container}-predict", self.engine, "make stop MODEL=sums/double")

    def test_a_second_server_does_not_replace_the_first(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, **self.variables) as port:
            made = repo.make(model, "predict", "DETACH=1", f"PORT={free_port()}", **self.variables)
            made.failed(f"{model.container}-predict runs already, on port {port}")
            assert ask(port, "double/predict", SAMPLE)[0] == 200

    def test_stop_at_the_top_leaves_other_monorepos_alone(self, repo: Monorepo, model: Model, tmp_path: Path) -> None:
        other = Monorepo(tmp_path / "other", self.engine)
        with repo.serving(model, **self.variables) as port:
            other.make(None, "stop").succeeded()
            assert ask(port, "double/predict", SAMPLE)[0] == 200

    def test_a_crashed_server_shows_its_last_lines(self, repo: Monorepo) -> None:
        model = repo.add_model("crashing")
        self.make(repo, model, "train").succeeded()
        crash = (
            'import glob\nif glob.glob("models/*.pkl"):\n    print("out of luck", flush=True)\n    os._exit(3)\nMODEL ='
        )
        model.replace("predict.py", "MODEL =", crash)
        made = self.make(repo, model, "predict", "DETACH=1", f"PORT={free_port()}")
        made.failed("died before it was ready")
        assert "out of luck" in made.err
        assert "does not run" in repo.make(model, "stop").err

    def test_two_projects_at_once(self, repo: Monorepo, model: Model) -> None:
        other = repo.add_model("triple", "products")
        self.make(repo, other, "train", 'PAYLOAD={"factor": 3}').succeeded()
        with repo.serving(model, **self.variables) as one, repo.serving(other, **self.variables) as two:
            assert json.loads(ask(one, "double/predict", SAMPLE)[1])["payload"]["predictions"] == [6, 14]
            assert json.loads(ask(two, "triple/predict", SAMPLE)[1])["payload"]["predictions"] == [9, 21]

    def test_settings_of_the_server_are_handed_on(self, repo: Monorepo, model: Model) -> None:
        secret = {"API_TOKEN": "only-for-friends", **self.variables}
        assert "only-for-friends" not in repo.make(model, "show", **secret).succeeded().out
        assert "only-for-friends" not in repo.make(model, "predict", "-n", **secret).succeeded().out
        port = free_port()
        try:
            made = repo.make(model, "predict", "DETACH=1", f"PORT={port}", "LOG_FORMAT=json", "ACCESS_LOG=1", **secret)
            made.succeeded()
            assert ask(port, "double/predict", SAMPLE)[0] == 401
            repo.make(model, "test-endpoint", f"PORT={port}", **secret).succeeded()
            logs = repo.make(model, "logs", **self.variables).succeeded()
            assert '"path":"/double/predict","status":401' in logs.out + logs.err
        finally:
            repo.make(model, "stop", **self.variables).succeeded()
        repo.make(model, "predict", "TIMEOUT=soon", **self.variables).failed("TIMEOUT=soon: not a whole number")

    def test_a_server_below_a_path(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, ROOT_PATH="/ml", **self.variables) as port:
            assert ask(port, "ml/double/predict", SAMPLE)[0] == 200
            assert ask(port, "double/predict", SAMPLE)[0] == 404
            made = repo.make(model, "test-endpoint", f"PORT={port}", "ROOT_PATH=/ml").succeeded()
            assert f":{port}/ml/double/predict -> 200" in made.err
            repo.make(model, "test-endpoint", f"PORT={port}").failed("status 404", "/ml (ROOT_PATH)")
        repo.make(model, "predict", "ROOT_PATH=ml", **self.variables).failed("ROOT_PATH=ml: not a path")

    def test_a_server_that_serves_nothing_is_stopped(self, repo: Monorepo) -> None:
        model = repo.add_model("untrained")
        for attached in ([], ["DETACH=1"]):
            made = self.make(repo, model, "predict", f"PORT={free_port()}", *attached)
            made.failed("none of its routes serves")
            assert "/untrained/predict does not serve" in made.err
            assert "untrained.pkl: no such file: run make train" in made.err
            assert "does not run" in repo.make(model, "stop").err

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

    def test_a_shell_in_the_image(self, repo: Monorepo, model: Model) -> None:
        env = repo.environment(**self.variables)
        shell = pexpect.spawn("make", ["shell"], cwd=str(model.path), env=env, encoding="utf-8", timeout=60)
        shell.sendline("ls models && echo $((40 + 2))")
        shell.expect_exact("42")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)

    # -- building -----------------------------------------------------------------------------------------------

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

    def test_ctrl_c_in_the_middle_of_a_build(self, repo: Monorepo) -> None:
        model = repo.add_model("slow")
        model.replace("predict.py", "MODEL =", "import time\ntime.sleep(float(os.getenv('NAP', '30')))\nMODEL =")
        build = repo.spawn(model, "build-predict", **self.variables)
        assert build.stdout is not None
        for line in build.stdout:
            if "Checking .s2i/environment" in line:
                break
        started = time.monotonic()
        output = interrupt(build)
        assert time.monotonic() - started < 20
        assert "Traceback" not in output
        assert build.returncode != 0
        assert self._image_column(repo, "slow") == ["-", "-", "-"]
        model.replace("predict.py", "'30'", "'0'")
        self.make(repo, model, "build-predict").succeeded()

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
