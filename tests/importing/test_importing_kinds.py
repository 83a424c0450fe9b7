"""make import of one model of another tool: it passes make check, trains where it can, and answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from foreign import SOURCES, commit, copy_of
from monorepo import ROOT, Monorepo, ask

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import open_session
from trainyard.host.scaffold.importing.importer import import_from
from trainyard.host.support.reporter import Recording

TRAINED, UNTRAINED = True, False
CASES = {
    "prices": (TRAINED, "prices/predict", [["Berlin", 10], ["Bonn", 3]], [200.0, 30.0]),
    "sentiment": (
        UNTRAINED, "sentiment/predict", [["fine day"], ["awful"]],
        [{"label": "good", "score": 2}, {"label": "bad", "score": -3}],
    ),
    "max_length": (
        UNTRAINED, "max_length/predict", ["b25lIHR3byB0aHJlZQ=="],
        [[{"label_id": "1", "label": "long", "probability": 1.0}]],
    ),
    "iris_service": (UNTRAINED, "iris_service/classify", [[1.5, 0.3], [6.1, 2.4]], [0, 2]),
    "churn_mlflow": (TRAINED, "churn/predict", [[1, 95.0], [65, 22.0]], [1, 0]),
}  # fmt: skip
LONG = ("iris_service", "churn_mlflow", "max_length")  # the first two install packages


@pytest.mark.parametrize("name", [pytest.param(one, marks=pytest.mark.slow if one in LONG else ()) for one in CASES])
def test_an_imported_model_passes_check_and_answers(repo: Monorepo, tmp_path: Path, name: str) -> None:
    trains, route, rows, expected = CASES[name]
    source = copy_of(name, tmp_path / name)
    made = repo.make(None, "import", f"FROM={source}").succeeded()
    assert f"the report is projects/{route.split('/')[0]}/model/IMPORTED.md" in made.err
    model = repo.path / "projects" / route.split("/")[0] / "model"
    assert ": error: " not in repo.make(model, "check").succeeded().out
    if trains:
        repo.make(model, "train").succeeded()
    else:
        assert "came trained" in repo.make(model, "train").succeeded().err
    with repo.serving(model) as port:
        assert answer(port, route, rows) == expected
        repo.make(model, "test-endpoint", f"PORT={port}").succeeded()


def answer(port: int, route: str, rows: list[Any]) -> list[Any]:
    status, text = ask(port, route, json.dumps({"payload": {"instances": rows}}).encode())
    assert status == 200, text
    return list(json.loads(text)["payload"]["predictions"])


def refused(repo: Monorepo, source: str, *parts: str, project: str = "") -> None:
    """By the function that the verb calls."""
    with pytest.raises(TrainyardError) as error:
        import_from(open_session(repo.path, Recording()), source, project)
    assert not [part for part in parts if part not in str(error.value)], error.value


def test_the_report_says_what_could_not_be_and_what_to_do(repo: Monorepo, tmp_path: Path) -> None:
    source = copy_of("sentiment", tmp_path / "moods")
    repo.make(None, "import", f"FROM={source}").succeeded()
    report = (repo.path / "projects/moods/model/IMPORTED.md").read_text()
    assert "cog.yaml: is not run: curl -sSL" in report
    assert "`projects/moods/model/setup.sh`: system packages of cog.yaml" in report
    assert "make predict MODEL=moods/model" in report


@pytest.mark.slow
def test_a_model_comes_to_a_project_that_is_there(repo: Monorepo, tmp_path: Path) -> None:
    """Names that others have already are chosen by the rule that the report gives."""
    shop = repo.add_model("prices", "shop", route="prices/predict")
    for number in (1, 2):
        source = copy_of("prices", tmp_path / f"prices-{number}")
        repo.make(None, "import", f"FROM={source}", "PROJECT=shop").succeeded()
    first = shop.path.parent / "prices_1"
    report = (first / "IMPORTED.md").read_text()
    assert "route prices/predict is" not in report  # it is called by the model
    assert "MODEL_NAME prices is prices_prices_1 here: that name is taken" in report
    assert 'MODEL_PATH = "models/prices_prices_1.pkl"' in (first / "original/src/train.py").read_text()
    assert "MODEL_NAME     := prices_prices_2" in (first.parent / "prices_2" / "Makefile").read_text()
    assert ": error: " not in repo.make(None, "check").succeeded().out


@pytest.mark.slow
def test_a_git_repository_is_cloned(repo: Monorepo, tmp_path: Path) -> None:
    source = commit(copy_of("prices", tmp_path / "rents.git"))
    made = (
        repo.make(None, "import", f"FROM=file://somebody:secret@{source}").out
        + repo.make(None, "import", f"FROM=file://{source}").succeeded().err
    )
    assert "projects/rents/model" in made and "secret" not in made
    assert not list((repo.path / "projects/rents/model/original").glob(".git*"))


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("nowhere", ("FROM=nowhere", "no such folder")),
        ("/", ("this monorepo lies in there",)),
        ("", ("FROM is missing", "make import FROM=")),
        ("ext::sh -c true", ("no such folder",)),
        ("ftp://host/x.git", ("ftp is not fetched",)),
        ("file:///nowhere.git", ("git", "nowhere")),
    ],
)
def test_what_cannot_be_a_source(repo: Monorepo, source: str, parts: tuple[str, ...]) -> None:
    refused(repo, source, *parts)


@pytest.mark.parametrize("project", ["../x", "a-b", "json", "models", "numpy"])
def test_what_cannot_be_a_project(repo: Monorepo, tmp_path: Path, project: str) -> None:
    source = copy_of("prices", tmp_path / "prices")
    refused(repo, str(source), f"PROJECT={project}", project=project)


def test_a_folder_with_nothing_to_import(repo: Monorepo, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing\n")
    made = repo.make(None, "import", f"FROM={tmp_path / 'empty'}")
    made.failed("nothing there that can be imported", "cog.yaml")


@pytest.mark.parametrize(
    ("name", "file", "text", "parts"),
    [
        ("sentiment", "cog.yaml", "predict: [", ("cog.yaml: not YAML",)),
        ("sentiment", "cog.yaml", "predict: ../predict.py:Predictor", ("there is no ../predict.py",)),
        ("sentiment", "predict.py", "class Predictor(:\n", ("predict.py: cannot be read as Python", "line 1")),
        ("iris_service", "service.py", "svc = bentoml.Service('x', runners=[])\n", ("BentoML 1.1 and older",)),
        ("churn_mlflow", "MLmodel", "flavors: {crate: {}}", ("none is of Python",)),
        ("churn_mlflow", "MLmodel", "a: &a [*a]\nflavors: no", ("no flavors",)),
        ("max_length", "core/model.py", "# MAXModelWrapper\n", ("no class of MAXModelWrapper",)),
    ],
)
def test_a_source_that_is_broken(
    repo: Monorepo, tmp_path: Path, name: str, file: str, text: str, parts: tuple[str, ...]
) -> None:
    source = tmp_path / "broken"
    copy_of(name, source) if name != "churn_mlflow" else source.mkdir()
    (source / file).write_text(text)
    refused(repo, str(source), *parts)
    assert not (repo.path / "projects" / "broken").exists()


def test_one_broken_model_of_several_stops_no_other(repo: Monorepo, tmp_path: Path) -> None:
    source = tmp_path / "runs_of_mlflow"
    for name in ("good", "broken"):
        (source / name).mkdir(parents=True)
        text = (
            (SOURCES / "churn_mlflow" / "MLmodel").read_text().replace("artifact_path: churn", f"artifact_path: {name}")
        )
        (source / name / "MLmodel").write_text(text)
        (source / name / "model.pkl").write_bytes(b"a pickle, which nobody opens")
    (source / "broken" / "MLmodel").write_text("flavors: {}\n")
    made = repo.make(None, "import", f"FROM={source}")
    assert "broken: broken/MLmodel: no flavors" in made.failed("1 model(s) could not be brought")
    assert (repo.path / "projects/good/model/Makefile").is_file()
    assert "broken/MLmodel: no flavors" in (repo.path / "projects/good/model/IMPORTED.md").read_text()


def test_the_program_takes_options(repo: Monorepo, tmp_path: Path) -> None:
    """A folder as the value of an option is not the one that the verb is called for."""
    source = copy_of("prices", tmp_path / "by_option")
    done = subprocess.run(
        [ROOT / ".venv/bin/trainyard", "-n", "import", "--from", str(source), "--project", "somewhere"],
        cwd=repo.path, env=repo.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Would bring projects/somewhere/by_option" in done.stderr
    assert not (repo.path / "projects/somewhere").exists()
