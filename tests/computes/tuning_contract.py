"""What every kind of compute has to do with tunings: a part of its contract."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from monorepo import Model, Monorepo
from waiting import until

from computes.found_runs import points, runs, said, trials, trials_of_newest, tunings
from computes.one_compute import OneCompute

CONFIG = """
params: {steps: 3, pause: 0.05}
tuning:
  metric: loss
  seed: 1
  max_trials: 6
  hyperparams:
    x: {default_value: 0.5, tuning: {param_type: float, min: 0, max: 4}}
"""


class TuningContract(OneCompute):
    def test_trials_there_are_those_of_here(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        (model.path / "config.yaml").write_text(CONFIG)
        try:
            repo.make(model, "tune", "WORKERS=1").succeeded()
            here = trials(model)
            (model.path / "hyperparameters.yaml").unlink()  # it would begin with the best of before
            made = repo.make(model, "tune", f"COMPUTE={self.name}", "NODES=1", **environ).succeeded()
            assert trials(model) == here, made.err
            assert "6 trials by 1 worker" in made.err
            tuning = tunings(model)[-1]
            for one in trials_of_newest(model):
                assert "begins at step 0" in (model.path.parent / "runs" / one["id"] / "log.txt").read_text()
            final = said(model.path.parent / "runs" / tuning["tags"]["final_run"])
            assert (tuning["status"], final["status"], final["compute"]) == ("finished", "finished", self.name)
        finally:
            for name in ("config.yaml", "hyperparameters.yaml"):
                (model.path / name).unlink(missing_ok=True)

    def test_a_tuning_that_is_killed_and_loses_a_worker_goes_on(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        (model.path / "config.yaml").write_text(CONFIG.replace("pause: 0.05", "pause: 1.0"))
        options = (f"COMPUTE={self.name}", "NODES=2", "TRIALS=4")
        try:
            before = len(tunings(model))
            process = repo.spawn(model, "tune", *options, **environ)
            until(lambda: len(tunings(model)) > before, 120, process.poll)
            until(lambda: sum(one["status"] == "finished" for one in trials_of_newest(model)) >= 1, 120, process.poll)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            known = runs(model)
            process = repo.spawn(model, "tune", "RESUME=1", *options, **environ)
            until(lambda: any(points(run) for run in runs(model) - known), 120, process.poll)
            tuning = model.path.parent / "runs" / tunings(model)[-1]["id"]
            self.lose_worker(json.loads((tuning / "compute.json").read_text())["task"])
            text = process.communicate(timeout=240)[0]
            assert process.returncode == 0, text
            assert "Going on with" in text
            self.check_lost(model, known, text)
        finally:
            for name in ("config.yaml", "hyperparameters.yaml"):
                (model.path / name).unlink(missing_ok=True)

    def check_lost(self, model: Model, known: set[Path], text: str) -> None:
        """A trial whose worker is lost is tried again, the same one; one that ended just before a kill may be, too."""
        finished = [one for one in trials_of_newest(model) if one["status"] == "finished"]
        assert len(finished) in (4, 5), text
        later = [one for run in runs(model) - known if (one := said(run))["kind"] == "trial"]
        lost = {one["tags"]["trial"]: one for one in later if one["status"] != "finished"}
        again = {one["tags"]["trial"]: one for one in later if one["status"] == "finished"}
        assert lost, text
        for number, one in lost.items():
            assert one["status"] == "killed", text
            assert "the trial is tried again" in one["error"], text
            assert again[number]["params"] == one["params"]
        assert len(again) == len([one for one in later if one["status"] == "finished"]), "one has two results"
        assert tunings(model)[-1]["status"] == "finished"
