"""Locks: resolved together, committed, noticed when they are stale."""

from __future__ import annotations

import json
import pickle
import re
import shlex
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from monorepo import ROOT, Model, Monorepo, ask, free_port
from package_index import sdist, served

from trainyard.host.requirements.lock_files import INPUTS, seal


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo", resolved=False)


@pytest.fixture
def model(repo: Monorepo) -> Model:
    model = repo.add_model("one")
    (model.path / "requirements_train.txt").write_text("colorama\ntabulate<0.9\n")
    (model.path / "requirements_predict.txt").write_text("colorama\ntabulate\n")
    return model


def lock(model: Model, role: str) -> str:
    return (model.path / f"requirements_{role}.lock").read_text()


@pytest.mark.slow
def test_train_and_predict_get_one_version_of_what_both_use(repo: Monorepo, model: Model) -> None:
    repo.make(model, "lock").succeeded()
    assert "tabulate==0.8.10" in lock(model, "train")
    assert "tabulate==0.8.10" in lock(model, "predict")
    for role in ("train", "predict"):
        assert "--hash=sha256:" in lock(model, role)
        assert "gunicorn==" in lock(model, role)


@pytest.mark.slow
def test_a_committed_lock_is_used_until_the_requirements_change(repo: Monorepo, model: Model) -> None:
    repo.make(model, "lock").succeeded()
    shown = repo.make(model, "show").succeeded()
    assert "projects/sums/one/requirements_train.lock" in shown.out
    assert "stale" not in shown.err
    (model.path / "requirements_train.txt").write_text("colorama\n")
    shown = repo.make(model, "show").succeeded()
    assert f"{model.path}/requirements_train.lock: stale" in shown.err
    assert "make lock" in shown.err


@pytest.mark.slow
def test_equal_requirements_share_one_environment(repo: Monorepo) -> None:
    for name in ("one", "two"):
        model = repo.add_model(name)
        for role in ("train", "predict"):
            repo.make(model, f"build-{role}").succeeded()
    assert len(list(repo.path.glob(".trainyard/process/deps/*"))) == 1


@pytest.mark.slow
def test_a_package_that_is_not_the_locked_one_is_refused(repo: Monorepo, model: Model) -> None:
    repo.make(model, "lock").succeeded()
    path = model.path / "requirements_predict.lock"
    first, _, entries = path.read_text().split("\n", 2)
    before, name, after = entries.partition("tabulate==0.8.10")
    changed = before + name + re.sub("sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, after, count=2)
    path.write_text(seal(first.removeprefix(INPUTS), changed))  # by somebody who knows how
    repo.make(model, "build-predict").failed("requirements.lock", "make lock")
    assert not list(repo.path.glob(".trainyard/process/images/*/image.json"))


@pytest.mark.slow
def test_a_model_without_locks_is_said_when_it_is_built(repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "build-predict").succeeded()
    output = [line for line in made.err.splitlines() if line.startswith("warning")]
    assert len(output) == 1
    assert f"{model.path}/requirements_predict.lock: not there" in output[0]
    assert "make lock" in output[0]
    repo.make(model, "lock").succeeded()
    assert "warning" not in repo.make(model, "build-predict").succeeded().err


@pytest.mark.slow
def test_make_lock_without_a_model_locks_each_that_needs_it(repo: Monorepo, model: Model) -> None:
    bad, beside = repo.add_model("bad"), repo.add_model("beside")
    (bad.path / "requirements_train.txt").write_text("six\n--pre\n")
    for role in ("train", "predict"):
        (beside.path / f"requirements_{role}.txt").unlink()
    (beside.path / "requirements.txt").write_text("./own\n")
    (beside.path / "own").mkdir()
    (beside.path / "own" / "setup.py").write_text("setup(name='own', version='3', install_requires=['colorama'])")
    made = repo.make(None, "lock")
    assert made.status != 0
    assert f"error: {bad.path}/requirements_train.txt:2: '--pre'" in made.err
    assert "error: 1 of 3 models are not locked: sums/bad" in made.err
    assert "tabulate==" in lock(model, "train")
    assert "own==3" in lock(beside, "predict")
    assert "colorama==" in lock(beside, "train")
    (bad.path / "requirements_train.txt").write_text("colorama\n")
    made = repo.make(None, "lock").succeeded()
    assert "3 models are locked, 1 of them anew" in made.err


@pytest.mark.slow
def test_a_package_beside_the_model_is_installed(repo: Monorepo, model: Model) -> None:
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").unlink()
    (model.path / "requirements.txt").write_text("-e .\n")
    (model.path / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='own', version='3', packages=['own'], package_dir={'': 'src'})\n"
    )
    (model.path / "src" / "own").mkdir(parents=True)
    (model.path / "src" / "own" / "__init__.py").write_text("FACTOR = 3\n")
    model.replace("predict.py", "import ", "import own  # noqa\nimport ")
    repo.make(model, "build-predict").succeeded()


@pytest.mark.slow
def test_a_wheelhouse_names_what_it_lacks_and_has_the_rest(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    bad = repo.add_model("bad")
    (bad.path / "requirements_train.txt").write_text("six\n--pre\n")
    (model.path / "requirements_predict.txt").write_text("colorama\nsource\n")
    with served(sdist("source", "1.0")) as index:
        line = repo.make(None, "wheelhouse", WHEELHOUSE=str(tmp_path / "wheels"), INDEX_URL=index).failed(
            "is filled but"
        )
    assert f"{bad.path}/requirements_train.txt:2: '--pre'" in line
    assert "source==1.0 comes as source only: put a wheel of it beside the model" in line
    assert list((tmp_path / "wheels").glob("colorama-*.whl"))


@pytest.mark.slow
def test_strict_builds_only_what_is_locked(repo: Monorepo, model: Model) -> None:
    repo.make(model, "build-predict", "STRICT=1").failed(
        "requirements_predict.lock: not there", "STRICT=1", "make lock"
    )
    shown = repo.make(model, "show", "STRICT=1").succeeded().out
    assert any(line.split() == ["STRICT", "True", "command", "line"] for line in shown.splitlines()), shown
    repo.make(model, "lock").succeeded()
    repo.make(model, "build-predict", "STRICT=1").succeeded()
    (model.path / "requirements_predict.txt").write_text("colorama\n")
    assert "requirements_predict.lock: stale" in repo.make(model, "build-predict").succeeded().err
    repo.make(model, "build-predict", "STRICT=1").failed("requirements_predict.lock: stale", "STRICT=1", "make lock")
    model.binary.parent.mkdir()
    model.binary.write_bytes(pickle.dumps({"factor": 2}))
    with repo.serving(model, STRICT="1") as port:  # an image that is there is run as it is
        assert ask(port, "health")[0] == 200
    folder = repo.add_all()
    repo.make(folder, "build-image", "STRICT=1").failed("requirements_predict.lock: stale", "STRICT=1", "make lock")
    assert repo.make(None, "build-all", "STRICT=1").status != 0


def damaged_by_a_merge(text: str) -> str:
    return text.replace("gunicorn==", "<<<<<<< HEAD\ngunicorn==", 1)


def cut_off(text: str) -> str:
    return text[: text.index("\n", text.index("gunicorn=="))]


def with_another_hash(text: str) -> str:
    return re.sub("(?<=--hash=sha256:)[0-9a-f]{64}", "0" * 64, text, count=1)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [damaged_by_a_merge, cut_off, with_another_hash])
def test_a_damaged_lock_is_one_line_and_made_anew_by_make_lock(
    repo: Monorepo, model: Model, damage: Callable[[str], str]
) -> None:
    repo.make(model, "lock").succeeded()
    path = model.path / "requirements_predict.lock"
    whole = path.read_text()
    path.write_text(damage(whole))
    line = repo.make(model, "build-predict").failed(str(path), "make lock")
    if damage is not with_another_hash:
        number = damage(whole)[: damage(whole).index("gunicorn==")].count("\n") + (damage is cut_off)
        assert f"{path}:{number}: " in line
    repo.make(model, "lock").succeeded()
    assert path.read_text() == whole


@pytest.mark.slow
def test_build_all_says_what_is_not_locked_also_where_nothing_is_to_be_built(repo: Monorepo, model: Model) -> None:
    shutil.rmtree(repo.path / "all")
    repo.make(None, "build-all").succeeded()
    made = repo.make(None, "build-all").succeeded()
    assert "All 2 images are up to date" in made.err
    assert f"warning: {model.path}/requirements_train.lock: not there" in made.err
    assert "(and 1 more): make lock" in made.err


@pytest.mark.slow
def test_a_damaged_remembered_lock_is_resolved_again(repo: Monorepo, model: Model) -> None:
    repo.make(model, "show").succeeded()
    remembered = list(repo.path.glob(".trainyard/locks/*/1.lock"))
    whole = remembered[0].read_text()
    remembered[0].write_text(whole[:500])
    assert "Resolving" in repo.make(model, "build-predict").succeeded().err
    assert remembered[0].read_text() == whole


@pytest.mark.parametrize("strict", ["0", "1"])
def test_sources_without_a_lock_are_said_by_assemble(tmp_path: Path, strict: str) -> None:
    """Under the real s2i nobody resolves: its sources have a requirements.lock, or they have not."""
    (tmp_path / "requirements.txt").write_text("tabulate\n")
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    script = f". {shlex.quote(str(ROOT))}/builders/common.sh; install_requirements {tmp_path}/requirements.txt"
    venv.create(tmp_path / "venv")
    variables = {
        "PATH": f"{tmp_path}:/usr/bin:/bin", "STRICT": strict, "VENV": str(tmp_path / "venv"),
        "TRAINYARD_HOME": str(ROOT / "builders" / "base"),
    }  # fmt: skip
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (strict == "0")
    assert f"{'warning' if strict == '0' else 'error'}: requirements.txt: not locked" in done.stderr


@pytest.mark.slow
def test_a_model_of_another_lock_is_said_at_load_and_refused_when_strict(repo: Monorepo, model: Model) -> None:
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text("tabulate==0.8.9\n")
    repo.make(model, "lock").succeeded()
    repo.make(model, "train", "STRICT=1").succeeded()
    assert json.loads(model.record.read_text())["installed"] == {"tabulate": "0.8.9"}
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text("tabulate==0.8.10\ncolorama\n")
    repo.make(model, "lock").succeeded()
    repo.make(model, "build-predict").succeeded()
    port = free_port()
    try:
        made = repo.make(model, "predict", "DETACH=1", f"PORT={port}").succeeded()
        assert "warning: /one/predict: one was trained with tabulate 0.8.9 (here 0.8.10)" in made.err
        assert ask(port, "one/predict", b'{"payload": {"instances": [[1, 2]]}}')[0] == 200
    finally:
        repo.make(model, "stop").succeeded()
    made = repo.make(model, "predict", "DETACH=1", "STRICT=1", f"PORT={port}")
    made.failed("none of its routes serves")
    assert "tabulate 0.8.9 (here 0.8.10) (STRICT=1)" in made.err
