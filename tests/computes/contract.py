"""What every kind of compute has to do: the tests that each kind inherits.

A kind says what compute.yaml has of it (``entry``), what its programs need in their environment (``environ``), and
what is there of ours (``left``); ``lose`` takes its machine from a task.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import time
from random import Random

from monorepo import Model, Monorepo, interrupt
from waiting import until

from computes.found_runs import newest, points, runs, said
from computes.tuning_contract import TuningContract

SHORT = json.dumps({"params": {"x": 2.5, "steps": 6, "pause": 0.3}})


class ComputeContract(TuningContract):
    keeps_checkpoints = True
    kills = 10 if os.environ.get("NIGHTLY") else 4

    def test_it_is_shown(self, repo: Monorepo, environ: dict[str, str]) -> None:
        shown = repo.make(None, "computes", **environ).succeeded()
        line = next(line for line in shown.out.splitlines() if line.startswith(f"{self.name} "))
        assert " yes " in line

    def test_a_dry_run_shows_what_would_run(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        before = runs(model)
        shown = repo.make(model, "-n", "train", f"COMPUTE={self.name}", **environ).succeeded()
        assert model.container in shown.out
        assert "PAYLOAD" in shown.out
        assert runs(model) == before

    def test_it_is_the_same_run_as_at_home(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        payload = json.dumps({"params": {"x": 2.5}})
        repo.make(model, "train", f"PAYLOAD={payload}").succeeded()
        here, binary = newest(model), model.binary.read_bytes()
        model.binary.unlink()
        repo.make(model, "train", f"PAYLOAD={payload}", ENGINE="process").succeeded()
        assert model.binary.read_bytes() == binary  # without a container, too
        model.binary.unlink()
        made = self.train(repo, model, environ).succeeded()
        there = newest(model)
        assert here != there
        assert model.binary.read_bytes() == binary
        assert (there / "model" / model.binary.name).read_bytes() == binary
        one, other = said(here), said(there)
        assert other["status"] == "finished"
        assert other["compute"] == self.name
        assert one["metrics"] == other["metrics"]
        assert other["tags"]["shape"] == "parabola"
        assert [point["value"] for point in points(here)] == [point["value"] for point in points(there)]
        assert "begins at step 0" in (there / "log.txt").read_text()
        assert "begins at step 0" in made.out
        assert not list(there.glob(".fetched*"))

    def test_a_function_that_fails_is_not_tried_again(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        before = model.binary.read_bytes() if model.binary.exists() else None
        made = self.train(repo, model, environ, crash=True)
        assert made.status != 0
        assert made.out.count("RuntimeError: as asked") == 1
        assert said(newest(model))["status"] == "failed"
        assert "as asked" in said(newest(model))["error"]
        assert (model.binary.read_bytes() if model.binary.exists() else None) == before

    def test_a_dead_client_loses_nothing(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        process, run = self.spawn(repo, model, environ, steps=30, x=2.25)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shown = repo.make(model, "runs", **environ).succeeded()
        assert "running" in next(line for line in shown.out.splitlines() if run.name in line)
        repo.make(model, "attach", f"ID={run.name}", **environ).succeeded()
        assert said(run)["status"] == "finished"
        assert [point["step"] for point in points(run)] == list(range(30))
        assert (run / "log.txt").read_text().count("begins at step 0") == 1
        assert pickle.loads(model.binary.read_bytes())["factor"] == 2.25
        repo.make(model, "attach", f"ID={run.name}", **environ).failed("is over: finished")

    def test_clients_that_die_at_random_moments(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        """Nothing is lost, nothing is trained twice, nothing is left."""
        random = Random(17)
        for _ in range(self.kills):
            before = runs(model)
            process = repo.spawn(model, "train", f"COMPUTE={self.name}", f"PAYLOAD={SHORT}", **environ)
            time.sleep(random.uniform(0.5, 6))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            (run,) = runs(model) - before or (None,)
            if run is None:  # it was killed before there was one
                continue
            if (run / "compute.json").exists() and said(run)["status"] == "running":
                repo.make(model, "attach", f"ID={run.name}", **environ).succeeded()
            else:
                repo.make(model, "runs").succeeded()
            if said(run)["status"] == "finished":
                assert [point["step"] for point in points(run)] == list(range(6))
                assert (run / "log.txt").read_text().count("trained by process") == 1
            else:
                assert said(run)["status"] == "killed"
        assert not list(model.path.parent.glob("models/.staging*"))

    def test_it_is_left_looked_at_and_cancelled(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        process, run = self.spawn(repo, model, environ, steps=4000)
        said_last = interrupt(process)
        assert f"make attach ID={run.name}" in said_last
        assert said(run)["status"] == "running"
        shown = repo.make(model, "logs", f"ID={run.name}", **environ).succeeded()
        assert "begins at step 0" in shown.out
        repo.make(model, "cancel", f"ID={run.name}", **environ).succeeded()
        assert said(run)["status"] == "interrupted"

    def test_prune_removes_what_a_dead_client_left(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        process, run = self.spawn(repo, model, environ, steps=4000)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        task = json.loads((run / "compute.json").read_text())["task"]
        kept = repo.make(None, "prune", ENGINE="process", **environ).succeeded()
        assert task not in kept.out + kept.err, "somebody may return to it"
        shutil.rmtree(run)
        shown = repo.make(None, "-n", "prune", ENGINE="process", **environ).succeeded()
        assert f"remove {task} on {self.name} (its run is gone)" in shown.out
        assert self.left(repo, environ)
        made = repo.make(None, "prune", ENGINE="process", **environ).succeeded()
        assert f"Removed {task} on {self.name}" in made.err

    def test_one_that_is_cancelled_is_not_begun_again(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        process, run = self.spawn(repo, model, environ, steps=4000)
        repo.make(model, "cancel", f"ID={run.name}", **environ).succeeded()
        process.communicate(timeout=120)
        assert process.returncode != 0
        assert said(run)["status"] == "interrupted"

    def test_one_whose_machine_is_lost_begins_again(
        self, repo: Monorepo, model: Model, environ: dict[str, str]
    ) -> None:
        process, run = self.spawn(repo, model, environ)
        until(lambda: len(points(run)) > 5)
        self.lose(json.loads((run / "compute.json").read_text())["task"])
        text = process.communicate(timeout=240)[0]
        assert process.returncode == 0, text
        assert "it begins again" in text
        assert said(run)["status"] == "finished"
        assert json.loads((run / "compute.json").read_text())["tries"] == 2, text
        assert {point["step"] for point in points(run)} == set(range(40))
        begun = re.findall("begins at step ([0-9]+)", text)
        assert begun[0] == "0"
        assert (int(begun[1]) > 0) == self.keeps_checkpoints

    def test_one_that_needs_more_memory_is_told_so(self, repo: Monorepo, model: Model, environ: dict[str, str]) -> None:
        made = self.train(repo, model, environ, "small", megabytes=500)
        made.failed("memory", "resources.memory")
        assert said(newest(model))["status"] == "failed"
