"""make check: every mistake in one list, with its file, its line and the fix, before anything is built."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from monorepo import Model, Monorepo

MISTAKES = {
    "Makefile": ("CONTAINER_NAME := .*", "CONTAINER_NAME := Not/OK", r"Makefile:3: error: CONTAINER_NAME"),
    ".s2i/environment": (
        "predict:predict_", "predict:forgot_", r"environment:1: error: .*predict.py defines no forgot_"
    ),
    "train.py": ("def train", "def train(:", r"train.py:6: error: invalid syntax"),
    "test/test_instances.json": (r"\{", "", r"test_instances.json: error: not a request body"),
    "requirements_train.txt": ("^", "numpy==\n", r"requirements_train.txt:1: error: "),
    "config.yaml": ("^", "tuning: yes please\n", r"config.yaml(:\d+)?: error: "),
    "notes\udcff.txt": ("^", "", r"not UTF-8"),
}  # fmt: skip


def break_all(model: Model) -> None:
    for name, (old, new, _) in MISTAKES.items():
        path = model.path / name
        text = path.read_text() if path.exists() else ""
        path.write_text(re.sub(old, new, text, count=1))


def test_every_mistake_is_in_one_list(repo: Monorepo, model: Model) -> None:
    break_all(model)
    made = repo.make(model, "check")
    assert made.status != 0
    lines = [line for line in made.out.splitlines() if f"/{model.name}/" in line]
    for _, _, expected in MISTAKES.values():
        assert any(re.search(expected, line) for line in lines), f"{expected} is not in\n{made.out}"
    assert len([line for line in lines if ": error: " in line]) == len(MISTAKES)
    assert "Traceback" not in made.err


def test_data_stores_that_config_names(repo: Monorepo, model: Model) -> None:
    asset = f"{{pretrained: {{url: 'sea:m.pkl', sha256: {'a' * 64}}}}}"
    (model.path / "config.yaml").write_text(f"training:\n  data: nope:x\n  results: lake:y\n  assets: {asset}\n")
    (repo.path / "datastores.yaml").write_text("lake: {url: lake}\n")
    try:
        made = repo.make(model, "check")
    finally:
        (repo.path / "datastores.yaml").unlink()
    assert made.status != 0
    assert "config.yaml:2: error: training.data: nope:x: datastores.yaml has no data store nope" in made.out
    assert "config.yaml:4: error: training.assets.pretrained.url: sea:m.pkl: datastores.yaml has no" in made.out
    assert "lake:y" not in made.out


def test_one_broken_model_hides_no_other(repo: Monorepo, model: Model) -> None:
    other = repo.add_model("other_of_check", extra="UNHEARD=1\n")
    (model.path / "Makefile").write_text("nonsense\n")
    try:
        made = repo.make(None, "check")
        assert made.status != 0
        assert f"{model.path.relative_to(repo.path)}/Makefile: error: MODEL_NAME is missing" in made.out
        assert f"{other.path.relative_to(repo.path)}/.s2i/environment:4: warning: unknown key UNHEARD" in made.out
        assert repo.make(other, "check").status == 0
    finally:
        shutil.rmtree(other.path)


def test_a_good_model_has_warnings_at_most(repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "check").succeeded()
    assert ": error: " not in made.out
    assert made.out.count("run make lock") == 2
    repo.make(model, "lock").succeeded()
    assert repo.make(model, "check").succeeded().out == ""
    (model.path / "requirements_train.txt").write_text("six\n")
    assert "stale" in repo.make(model, "check").succeeded().out


def test_names_that_two_models_have(repo: Monorepo, model: Model) -> None:
    model.replace("Makefile", f"MODEL_NAME     := {model.name}", "MODEL_NAME     := twice")
    other = repo.add_model("second_of_check")
    other.replace("Makefile", f"MODEL_NAME     := {other.name}", "MODEL_NAME     := twice")
    try:
        made = repo.make(model, "check")
        assert f"Makefile:1: error: sums/{other.name} has the MODEL_NAME 'twice', too" in made.out
    finally:
        shutil.rmtree(other.path)


def test_for_programs(repo: Monorepo, model: Model) -> None:
    model.replace(".s2i/environment", "TRAIN_FUNCTION=train", "TRAIN_FUNCTION=learn")
    rows = json.loads(repo.make(model, "check", "FORMAT=json").out)
    (error,) = [row for row in rows if row["level"] == "error"]
    assert error["path"] == f"{model.path.relative_to(repo.path)}/.s2i/environment"
    assert (error["rule"], error["line"]) == ("functions", 2)
    sarif = json.loads(repo.make(model, "check", "FORMAT=sarif").out)
    (run,) = sarif["runs"]
    results = [result for result in run["results"] if result["level"] == "error"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == error["path"] and place["region"] == {"startLine": 2}
    assert {result["ruleId"] for result in run["results"]} <= {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    repo.make(model, "check", "FORMAT=xml").failed("FORMAT=xml", "sarif")


@pytest.mark.parametrize(
    ("source", "fine"),
    [
        ("def train(msg): pass", True),
        ("from elsewhere import train", True),
        ("from elsewhere import *", True),
        ("train = make()", True),
        ("if True:\n    def train(msg): pass", True),
        ("globals()['train'] = 1", True),
        ("import train", True),
        ("def trains(msg): pass", False),
        ("", False),
    ],
)
def test_what_a_module_defines(repo: Monorepo, model: Model, source: str, fine: bool) -> None:
    (model.path / "train.py").write_text(source)
    made = repo.make(model, "check")
    assert ("train.py defines no train" not in made.out) == fine
    assert (made.status == 0) == fine


def test_nothing_of_the_model_is_run_and_nothing_is_written(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (model.path / "train.py").write_text(f"open({str(mark)!r}, 'w')\ndef train(msg): pass\n")
    before = {path: path.stat().st_mtime_ns for path in model.path.rglob("*")}
    repo.make(model, "check").succeeded()
    assert not mark.exists()
    assert {path: path.stat().st_mtime_ns for path in model.path.rglob("*")} == before
