"""Boosted models that go on from an earlier one: what is handed to training, what is taken, what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainyard.contract.base_models import FACTS, MODEL_NAME, RECORD, RECORD_SHA256
from trainyard.errors import ModelUnavailable
from trainyard.models.base_models import base_model
from trainyard.models.binaries import save_model
from trainyard.models.metrics import classification_metrics
from trainyard.models.predicting import OneThread, classify
from trainyard.models.tables import Table
from trainyard.models.training import Job, fit_classifier, save

pytestmark = pytest.mark.slow  # libraries that take seconds to import, in each worker


def table(rows: int = 300, seed: int = 1, colours: str = "rgb") -> Table:
    made = np.random.default_rng(seed)
    numbers = made.normal(size=(rows, 2))
    names = [colours[number % len(colours)] for number in range(rows)]
    labels = [
        "yes" if a * b + (0.5 if name == "r" else 0) > 0.1 else "no"
        for (a, b), name in zip(numbers, names, strict=True)
    ]
    found = [[float(a), float(b), name] for (a, b), name in zip(numbers, names, strict=True)]
    return Table(Path("data/x.csv"), ("a", "b", "colour"), found, labels)


def xgboost(**params: Any) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_jobs=1, n_estimators=8, max_depth=2, random_state=7, **params)


def catboost(**params: Any) -> Any:
    from catboost import CatBoostClassifier

    return OneThread(
        CatBoostClassifier(
            thread_count=1, allow_writing_files=False, verbose=0, iterations=8, depth=2, random_seed=7, **params
        )
    )


def lightgbm(**params: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_jobs=1, n_estimators=8, max_depth=2, random_state=7, verbose=-1, **params)


def sklearn(**params: Any) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(n_estimators=8, max_depth=2, random_state=7, subsample=0.7, **params)


def histogram(**params: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=8, max_depth=2, random_state=7, **params)


MAKERS = [xgboost, catboost, lightgbm, sklearn, histogram]


def hand_over(monkeypatch: pytest.MonkeyPatch, name: str, record_sha256: str = "") -> None:
    """What is in models/ as the base model, as make mounts it."""
    shutil.copytree("models", "base_model", dirs_exist_ok=True)
    record = Path(f"base_model/{name}.json")
    sha256 = record_sha256 or hashlib.sha256(record.read_bytes()).hexdigest()
    monkeypatch.setenv(FACTS, json.dumps({MODEL_NAME: name, RECORD: record.name, RECORD_SHA256: sha256}))


def compiles(name: str) -> bool:
    return "sha256" in json.loads(Path(f"models/{name}.json").read_text())["compiled"]


def loss(model: dict[str, Any], held_out: Table) -> float:
    return classification_metrics(held_out.labels, classify(model, held_out.rows)["scores"], model["labels"])[
        "log_loss"
    ]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("reported", [False, True], ids=["plain", "in a run"])
def test_rounds_are_added(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make: Callable[..., Any],
    reported: bool,
) -> None:  # fmt: skip
    """On the same rows: it is better than either training alone, and the same to the byte when it is done again."""
    if reported:
        (workdir / "run").mkdir()
    rows, held_out = table(), table(100, seed=2)
    first = fit_classifier(make(), rows, scale=False, held_out=held_out)
    save(Job(Path("data/x.csv"), "base", {}), first, held_out)
    hand_over(monkeypatch, "base")
    capsys.readouterr()
    second = fit_classifier(make(), rows, scale=False, held_out=held_out)
    assert "going on from the base model" in capsys.readouterr().out
    assert loss(second, rows) < loss(first, rows) - 0.01
    result = save(Job(Path("data/x.csv"), "next", {}), second, held_out)
    again = save(
        Job(Path("data/x.csv"), "again", {}), fit_classifier(make(), rows, scale=False, held_out=held_out), held_out
    )
    assert result["metrics"] == again["metrics"]
    assert compiles("next") == compiles("base")
    # The third goes on from sixteen rounds.
    shutil.copy("models/next.pkl", "models/base.pkl")
    record = json.loads(Path("models/next.json").read_text()) | {"model_name": "base"}
    Path("models/base.json").write_text(json.dumps(record))
    monkeypatch.delenv(FACTS)
    hand_over(monkeypatch, "base")
    third = fit_classifier(make(), rows, scale=False, held_out=held_out)
    assert loss(third, rows) < loss(second, rows) - 0.01


@pytest.mark.parametrize("make", [xgboost, catboost, lightgbm])
def test_from_the_file_of_the_library(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make: Callable[..., Any]
) -> None:
    rows, held_out = table(), table(100, seed=2)
    first = fit_classifier(make(), rows, scale=False)
    save(Job(Path("data/x.csv"), "base", {}), first, held_out, native=True)
    record = json.loads(Path("models/base.json").read_text())
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path("models").glob("base*")}
    files.pop("base.json")
    Path("models/base.json").write_text(json.dumps(record | {"files": files}))
    hand_over(monkeypatch, "base")
    second = fit_classifier(make(), rows, scale=False)
    assert "going on from the base model" in capsys.readouterr().out
    assert loss(second, rows) < loss(first, rows) - 0.01


@pytest.mark.parametrize(
    ("base", "rows", "estimator", "expected"),
    [
        (xgboost, table(colours="rgbx"), xgboost, "its features are others, of colour"),
        (xgboost, table(), lightgbm, "it is a XGBClassifier, and this model is a LGBMClassifier"),
        (sklearn, table(), histogram, "it is a GradientBoostingClassifier, and this model is a Hist"),
    ],
)
def test_what_it_cannot_go_on_from_is_ignored_with_one_line(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], base: Callable[..., Any],
    rows: Table, estimator: Callable[..., Any], expected: str,
) -> None:  # fmt: skip
    save_model(fit_classifier(base(), table(), scale=False), "base")
    alone = fit_classifier(estimator(), rows, scale=False)
    hand_over(monkeypatch, "base")
    capsys.readouterr()
    model = fit_classifier(estimator(), rows, scale=False)
    printed = capsys.readouterr()
    assert printed.err.startswith(f"warning: the base model is ignored: {expected}")
    assert printed.err.count("\n") == 1
    assert loss(model, rows) == loss(alone, rows)


def test_an_estimator_without_rounds_says_that_it_begins_anew(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sklearn.linear_model import LogisticRegression

    save_model({"anything": 1}, "base")
    hand_over(monkeypatch, "base")
    fit_classifier(LogisticRegression(), table(), scale=True)
    assert "LogisticRegression does not go on from another model" in capsys.readouterr().err


def test_what_is_not_verified_is_not_loaded(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_model() is None
    save_model({"of": "any kind"}, "base")
    hand_over(monkeypatch, "base")
    assert base_model() == {"of": "any kind", "model_name": "base"}
    hand_over(monkeypatch, "base", record_sha256="0" * 64)
    with pytest.raises(ModelUnavailable, match="is not the record of the model that was meant"):
        base_model()
    hand_over(monkeypatch, "base")
    Path("base_model/base.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/x'\ntR.")
    with pytest.raises(ModelUnavailable, match="corrupt"):
        base_model()
    Path("base_model/base.pkl").unlink()
    with pytest.raises(ModelUnavailable, match="no such model binary"):
        base_model()
