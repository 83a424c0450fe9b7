"""What runs from an image, whoever has built it; a part of every engine's contract."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pexpect
import pytest
from engines.contract.confinement import ConfinedServers
from monorepo import Made, Model, Monorepo, ask, free_port, interrupt, is_healthy
from waiting import until

SAMPLE = b'{"payload": {"instances": [[1, 2], [3, 4]]}}'


class RunningContract(ConfinedServers):
    """Training and serving. The engine and its fixtures are those of the ``BuildingContract``."""

    engine: ClassVar[str]

    def make(self, repo: Monorepo, where: Model | Path | None, *arguments: str) -> Made:
        raise NotImplementedError

    # -- training -----------------------------------------------------------------------------------------------

    def test_training_leaves_a_binary_and_its_record(self, model: Model) -> None:
        record = json.loads(model.record.read_text())
        assert (record["model_name"], record["dataset"]) == ("double", "data/numbers.csv")
        assert record["sha256"] == hashlib.sha256(model.binary.read_bytes()).hexdigest()
        assert model.binary.stat().st_uid == os.getuid()

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_workers_can_be_chosen(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, WORKERS="3", **self.variables):
            logs = repo.make(model, "logs").succeeded()
            assert "3 x " in logs.out + logs.err

    def test_ctrl_c_stops_a_server_in_the_foreground(self, repo: Monorepo, model: Model) -> None:
        port = free_port()
        process = repo.spawn(model, "predict", f"PORT={port}", **self.variables)
        until(lambda: is_healthy(port))
        output = interrupt(process)
        assert "Traceback" not in output
        assert f"Stopped {model.container}-predict" in output
        with pytest.raises(OSError, match="refused"):
            ask(port, "health")
        assert "does not run" in repo.make(model, "stop").succeeded().err

    @pytest.mark.slow
    def test_a_port_in_use_is_said_with_its_holder(self, repo: Monorepo, model: Model) -> None:
        other = repo.add_model("second")
        with repo.serving(model, **self.variables) as port:
            made = repo.make(other, "predict", f"PORT={port}", **self.variables)
        made.failed(f"port {port} is in use by {model.container}-predict", self.engine, "make stop MODEL=sums/double")

    @pytest.mark.slow
    def test_a_second_server_does_not_replace_the_first(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, **self.variables) as port:
            made = repo.make(model, "predict", "DETACH=1", f"PORT={free_port()}", **self.variables)
            made.failed(f"{model.container}-predict runs already, on port {port}")
            assert ask(port, "double/predict", SAMPLE)[0] == 200

    @pytest.mark.slow
    def test_two_clones_leave_each_other_alone(self, repo: Monorepo, model: Model, tmp_path: Path) -> None:
        """They have models of the same names; one has an edit."""
        other = Monorepo(tmp_path / "other", self.engine)
        edited = replace(model, path=other.path / model.path.relative_to(repo.path))
        for name in (model.name, "data", "models"):
            shutil.copytree(model.path.parent / name, edited.path.parent / name)
        edited.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
        with repo.serving(model, **self.variables) as port:
            with other.serving(edited, **self.variables) as second:
                assert _predictions(second) == [1 + each for each in _predictions(port)]
            other.make(None, "stop").succeeded()
            own = _predictions(port)
            other.make(None, "clean").succeeded()
            assert _predictions(port) == own
        with repo.serving(model, BUILD="0", **self.variables) as port:
            assert _predictions(port) == own
        repo.make(model, "build-predict", **self.variables).succeeded()  # its name leads to it again

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_two_projects_at_once(self, repo: Monorepo, model: Model) -> None:
        other = repo.add_model("triple", "products")
        self.make(repo, other, "train", 'PAYLOAD={"factor": 3}').succeeded()
        with repo.serving(model, **self.variables) as one, repo.serving(other, **self.variables) as two:
            assert json.loads(ask(one, "double/predict", SAMPLE)[1])["payload"]["predictions"] == [6, 14]
            assert json.loads(ask(two, "triple/predict", SAMPLE)[1])["payload"]["predictions"] == [9, 21]

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_a_server_below_a_path(self, repo: Monorepo, model: Model) -> None:
        with repo.serving(model, ROOT_PATH="/ml", **self.variables) as port:
            assert ask(port, "ml/double/predict", SAMPLE)[0] == 200
            assert ask(port, "double/predict", SAMPLE)[0] == 404
            made = repo.make(model, "test-endpoint", f"PORT={port}", "ROOT_PATH=/ml").succeeded()
            assert f":{port}/ml/double/predict -> 200" in made.err
            repo.make(model, "test-endpoint", f"PORT={port}").failed("status 404", "/ml (ROOT_PATH)")
        repo.make(model, "predict", "ROOT_PATH=ml", **self.variables).failed("ROOT_PATH=ml: not a path")

    @pytest.mark.slow
    def test_a_server_that_serves_nothing_is_stopped(self, repo: Monorepo) -> None:
        model = repo.add_model("untrained")
        for attached in ([], ["DETACH=1"]):
            made = self.make(repo, model, "predict", f"PORT={free_port()}", *attached)
            made.failed("none of its routes serves")
            assert "/untrained/predict does not serve" in made.err
            assert "untrained.pkl: no such file: run make train" in made.err
            assert "does not run" in repo.make(model, "stop").err

    def test_a_shell_in_the_image(self, repo: Monorepo, model: Model) -> None:
        env = repo.environment(**self.variables)
        shell = pexpect.spawn("make", ["shell"], cwd=str(model.path), env=env, encoding="utf-8", timeout=60)
        shell.sendline("ls models && echo $((40 + 2))")
        shell.expect_exact("42")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)


def _predictions(port: int) -> list[int]:
    status, body = ask(port, "double/predict", SAMPLE)
    assert status == 200, body
    found: list[int] = json.loads(body)["payload"]["predictions"]
    return found
