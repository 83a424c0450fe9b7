"""make modernize, and make lock of every model, against an index of a few packages; one real old model."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, ask
from package_index import served, wheel

HERE = f"cp{sys.version_info.major}{sys.version_info.minor}"
NOW, OLD = f"{HERE}-{HERE}-manylinux_2_17_x86_64", "cp38-cp38-manylinux_2_17_x86_64"
PINNED = b"# of 2020\r\ntool == 1.0  # keep\r\nnext[x]==1.0 ; python_version > '3'\r\nplain\r\n"


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    packages = [
        wheel("tool", "1.0", tag=OLD), wheel("tool", "1.3", tag=NOW), wheel("tool", "1.4", tag=NOW),
        wheel("next", "1.0", tag=OLD), wheel("next", "2.1", tag=NOW), wheel("plain", "1.0"),
        wheel("needs", "1.0", tag=OLD), wheel("needs", "1.1", tag=NOW, requires="tool>=1.4"),
    ]  # fmt: skip
    with served(*packages) as url:
        yield url


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo")


@pytest.fixture
def model(repo: Monorepo) -> Model:
    model = repo.add_model("old")
    (model.path / "requirements_train.txt").write_bytes(PINNED)
    (model.path / "requirements_predict.txt").write_text("tool==1.0\n-c ../limits.txt\n")
    (model.path.parent / "limits.txt").write_text("next<2\n")
    return model


def files(repo: Monorepo) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (repo.path / "projects").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_pins_move_with_a_reason_and_are_locked(repo: Monorepo, model: Model, index: str) -> None:
    (repo.add_model("other").path / "requirements_train.txt").write_text("-c ../limits.txt\n")
    with model.path.joinpath("train.py").open("a") as file:
        file.write("\n\ndef table(a, b):\n    import distutils\n    return a.append(b, ignore_index=True)\n")
    before = files(repo)
    made = repo.make(None, "-n", "modernize", "MODEL=sums/old", INDEX_URL=index).succeeded()
    assert "+tool == 1.3  # keep" in made.out
    assert "write projects/sums/old/requirements_train.txt" in made.out
    assert files(repo) == before

    made = repo.make(None, "modernize", "MODEL=sums/old", INDEX_URL=index).succeeded()
    assert re.search(r"^-tool == 1.0  # keep\n-next.*\n\+tool == 1.3  # keep\n\+next\[x\]==2.1 ;", made.out, re.M)
    assert "requirements_train.txt:2 (tool == 1.0) has no wheel for Python 3." in made.err
    assert "moved to 1.3, the nearest that has one" in made.err
    train = (model.path / "requirements_train.txt").read_bytes()
    assert train == PINNED.replace(b"tool == 1.0", b"tool == 1.3").replace(b"]==1.0", b"]==2.1")
    assert (model.path / "requirements_predict.txt").read_text() == "tool==1.3\n-c ../limits.txt\n"
    assert (model.path.parent / "limits.txt").read_text() == "next<=2.1\n"
    assert "limits.txt is read by sums/other, too: make lock MODEL=sums/other" in made.err
    for role in ("train", "predict"):
        assert "tool==1.3 \\" in (model.path / f"requirements_{role}.lock").read_text()
    repo.make(model, "show", STRICT="1").succeeded()

    after = files(repo)
    made = repo.make(model, "modernize", INDEX_URL=index).succeeded()
    assert "none is moved" in made.err
    assert files(repo) == after


@pytest.mark.slow
def test_what_does_not_resolve_is_named_and_nothing_is_written(repo: Monorepo, model: Model, index: str) -> None:
    with (model.path / "requirements_train.txt").open("a") as file:
        file.write("needs==1.0\r\n")
    before = files(repo)
    line = repo.make(model, "modernize", INDEX_URL=index).failed("no file was changed")
    assert f"{model.path}/requirements_train.txt:5 (needs==1.0), moved to 1.1" in line
    assert f"{model.path}/requirements_train.txt:2 (tool == 1.0), moved to 1.3" in line
    assert "next[x]" not in line
    assert files(repo) == before
    (model.path / "requirements_train.txt").write_text("plain\nneeds==1.0\n\ntool==1.3\n")
    before = files(repo)
    line = repo.make(model, "modernize", INDEX_URL=index).failed("depends on tool>=1.4")
    assert f"{model.path}/requirements_train.txt:2 (needs==1.0), moved to 1.1" in line
    assert f"{model.path}/requirements_train.txt:4 (tool==1.3)" in line  # which stays
    assert files(repo) == before
    repo.make(model, "modernize", INDEX_URL="http://127.0.0.1:9/simple").failed("cannot be reached")
    (model.path / "uv.lock").write_text("version = 1\n")
    repo.make(model, "modernize", INDEX_URL=index).failed("uv.lock: the versions of this model are those of another")
    (model.path / "uv.lock").unlink()
    assert files(repo) == before


@pytest.mark.slow
def test_every_model_is_locked_though_some_cannot_be(repo: Monorepo, index: str) -> None:
    for name, text in (("a", "plain\n"), ("b", "tool==1.0\n"), ("c", "tool>1\n"), ("d", "== x\n"), ("e", "")):
        for role in ("train", "predict"):
            (repo.add_model(name) if role == "train" else None)
            (repo.path / "projects/sums" / name / f"requirements_{role}.txt").write_text(text)
    before = files(repo)
    made = repo.make(None, "-n", "lock", INDEX_URL=index)
    assert made.out.count("write projects/sums/") == 8
    assert files(repo) == before
    made = repo.make(None, "lock", INDEX_URL=index)
    assert made.status != 0
    assert "error: 2 of 5 models are not locked: sums/b, sums/d: see above" in made.err
    assert "sums/b/requirements_train.txt:1 (tool==1.0): tool==1.0 has no wheel" in made.err
    assert made.err.count("Wrote ") == 6
    assert "tool==1.4" in (repo.path / "projects/sums/c/requirements_train.lock").read_text()
    for name in "bd":
        (repo.path / "projects/sums" / name / "requirements_train.txt").write_text("plain\n")
        (repo.path / "projects/sums" / name / "requirements_predict.txt").write_text("plain\n")
    made = repo.make(None, "lock", INDEX_URL=index).succeeded()
    assert "5 models are locked, 2 of them anew" in made.err


TRAIN = """
import joblib
import numpy as np
from sklearn.linear_model import Ridge

normalize = False


def train(msg):
    rows = np.loadtxt(msg["payload"]["$ref"], delimiter=",", skiprows=1)
    model = Ridge(normalize=True) if normalize else Ridge()
    joblib.dump(model.fit(rows, rows.sum(axis=1)), f"models/{msg['payload']['model_name']}.pkl")
    return {"rows": len(rows)}
"""
PREDICT = """
import joblib


def predict_old(msg):
    model = joblib.load("models/old.pkl")
    return {"predictions": [round(float(one), 3) for one in model.predict(msg["payload"]["instances"])]}
"""


@pytest.mark.slow
def test_a_model_of_2021_is_modernized_trained_and_served(repo: Monorepo) -> None:
    model = repo.add_model("old")
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text("scikit-learn==1.0.2\nnumpy==1.21.6\nscipy<1.8\njoblib\n")
    (model.path / "train.py").write_text(TRAIN)
    (model.path / "predict.py").write_text(PREDICT)
    repo.make(model, "lock").failed("has no wheel for Python")
    made = repo.make(model, "modernize").succeeded()
    assert re.search(r"^-numpy==1.21.6\n(-.*\n)*(\+.*\n)*\+numpy==1\.2\d\.\d$", made.out, re.M), made.out
    assert "\n+scikit-learn==1." in made.out
    assert ("train.py:11: Ridge(normalize=...) was removed in scikit-learn 1.2" in made.out) == (HERE != "cp311")
    repo.make(model, "train").succeeded()
    with repo.serving(model) as port:
        status, text = ask(port, "old/predict", b'{"payload": {"instances": [[1, 2], [3, 4]]}}')
    assert status == 200, text
    assert "predictions" in text
