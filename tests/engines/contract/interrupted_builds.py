"""Builds that are killed, that meet each other, and that are made twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from typing import ClassVar

import pytest
from monorepo import Model, Monorepo, ask, nobody_elses

SAMPLE = b'{"payload": {"instances": [[1, 2], [3, 4]]}}'
KILLED = 5
LONGEST = 1.5  # seconds; an edit takes about half of that


class InterruptedBuilds:
    """For every engine."""

    variables: ClassVar[dict[str, str]]

    @pytest.mark.slow
    def test_a_build_that_is_killed_leaves_the_old_image_or_the_new_one(self, repo: Monorepo) -> None:
        model = repo.add_model("killed")
        model.replace("predict.py", "factor * sum", "0 + factor * sum")
        repo.make(model, "train", **self.variables).succeeded()
        repo.make(model, "build-predict", **self.variables).succeeded()
        last = 0
        moments = random.Random(4)
        for number in range(1, KILLED + 1):
            model.replace("predict.py", f"{number - 1} + factor", f"{number} + factor")
            build = repo.spawn(model, "build-predict", **self.variables)
            time.sleep(moments.uniform(0, LONGEST))
            os.killpg(build.pid, signal.SIGKILL)
            build.communicate(timeout=60)
            served = self._served(repo, model)  # whichever image it is: it is whole
            assert last <= served <= number
            last = served
        repo.make(model, "build-predict", **self.variables).succeeded()
        assert self._served(repo, model) == KILLED

    def _served(self, repo: Monorepo, model: Model) -> int:
        """The edit that the image has."""
        with repo.serving(model, BUILD="0", **self.variables) as port:
            first, second = json.loads(ask(port, "killed/predict", SAMPLE)[1])["payload"]["predictions"]
        assert second - first == 8
        return int(first) - 6

    @pytest.mark.slow
    def test_of_two_builds_that_need_the_same_packages_one_installs_them(self, repo: Monorepo) -> None:
        models, line = [repo.add_model(name) for name in ("first", "other")], nobody_elses("iniconfig==2.0.0")
        for model in models:
            for role in ("train", "predict"):
                (model.path / f"requirements_{role}.txt").write_text(f"{line}\n")
        builds = [repo.spawn(model, "build-predict", **self.variables) for model in models]
        outputs = [build.communicate(timeout=300)[0] for build in builds]
        assert [build.returncode for build in builds] == [0, 0], outputs
        assert sum(output.count("---> Installing dependencies (requirements.lock)") for output in outputs) == 1, outputs
