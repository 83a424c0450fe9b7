"""make demo: few lines, the details in a log; what does not work holds up nothing else."""

from __future__ import annotations

import re

import pytest
from monorepo import Monorepo, free_port

pytestmark = pytest.mark.slow

PROJECT = "finance_income_prediction"


def test_a_demo_is_short_and_one_bad_model_is_named(repo: Monorepo) -> None:
    for name in ("good", "bad"):
        model = repo.add_model(name, PROJECT)
    repo.add_all(PROJECT)
    port = f"PORT={free_port()}"
    repo.make(repo.path, "demo", "BUILD=0", port).failed(
        f"{PROJECT}/good: BUILD=0, and there is no image", "see .trainyard/demo.log"
    )
    assert not (model.path.parent / "models" / "good.pkl").exists()
    model.replace("train.py", "def train(msg):\n", "def train(msg):\n    raise ValueError('as asked')\n")
    made = repo.make(repo.path, "demo", port)
    assert made.status != 0
    assert len((made.out + made.err).splitlines()) < 40
    assert "ValueError: as asked" in made.err
    assert re.search(rf"error: {PROJECT}/bad: .*ValueError: as asked.*; bad/predict: status 503", made.err), made.err
    assert "/good/predict  200" in made.out
    assert "Dependencies are installed" in (repo.path / ".trainyard/demo.log").read_text()
