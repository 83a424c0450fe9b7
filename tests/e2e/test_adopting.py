"""make adopt: fitted models of five libraries are served, and answer what they answered where they were fitted."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from monorepo import Monorepo, ask, interrupt
from waiting import until

from trainyard.contract.records import read_record

if TYPE_CHECKING:
    from fitted_models import Fitted

pytestmark = pytest.mark.slow  # five libraries are imported, and installed


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fitted]:
    """Imported here, for the worker that runs this file: the libraries take seconds."""
    from fitted_models import fit

    return fit(tmp_path_factory.mktemp("fitted"))


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    repo = Monorepo(tmp_path_factory.mktemp("repo"))
    yield repo
    repo.make(None, "stop")


TARGETS = {"sklearn": "rent", "xgboost": "dear", "lightgbm": "rent", "catboost": "rent", "onnx": ""}


def adopt(repo: Monorepo, name: str, one: Fitted) -> None:
    target = [f"TARGET={TARGETS[name]}"] if TARGETS[name] else []
    made = repo.make(
        None, "adopt", f"MODEL_FILE={one.file}", f"DATASET={one.data}", "PROJECT=old", f"NAME=of_{name}", *target
    )
    made.succeeded()


def test_five_libraries_answer_as_they_did(repo: Monorepo, fitted: dict[str, Fitted]) -> None:
    """In one server, as one installation takes less time than five."""
    import pandas as pd

    for name, one in fitted.items():
        adopt(repo, name, one)
        repo.make(None, "check", f"MODEL=old/of_{name}").succeeded()
    folder = repo.add_all("old")
    with repo.serving(folder, "predict-all") as port:
        repo.make(folder, "test-all", f"PORT={port}").succeeded()
        for name, one in fitted.items():
            table = pd.read_csv(one.data, sep=";" if "order" in one.data else ",")
            record = read_record(repo.path / f"projects/old/models/old_of_{name}.pkl")
            assert record and record["origin"] == "adopted"
            columns = [column["name"] for column in record["schema"]["columns"]]
            rows = table[columns].astype(object).where(table[columns].notna(), None).to_dict("records")
            body = json.dumps({"payload": {"instances": rows}}).encode()
            status, text = ask(port, f"old_of_{name}/predict", body)
            assert status == 200, (name, text)
            answer = json.loads(text)["payload"]
            if isinstance(one.answers[0], float):
                assert answer["predictions"] == pytest.approx(one.answers, rel=1e-5), name
            else:
                assert answer["predictions"] == one.answers, name
                assert len(answer["scores"][0]) == len(answer["labels"]) == 2
        status, text = ask(port, "old_of_sklearn/predict", b'{"payload": {"instances": [["wide", "Bonn", true]]}}')
        assert status == 400 and "column size" in text


def test_an_adopted_model_is_served_at_once_and_trained_by_nobody(repo: Monorepo, fitted: dict[str, Fitted]) -> None:
    one = fitted["onnx"]
    shown = repo.make(None, "adopt", "-n", f"MODEL_FILE={one.file}", f"DATASET={one.data}").succeeded()
    assert "would write projects/adopted/forest/predict.py" in shown.out
    assert not (repo.path / "projects/adopted").exists()
    repo.make(None, "adopt", f"MODEL_FILE={one.file}", f"DATASET={one.data}").succeeded()
    model = repo.path / "projects/adopted/forest"
    with repo.serving(model) as port:
        assert '"cheap"' in repo.make(model, "test-endpoint", f"PORT={port}").succeeded().out
    record = model.parent / "models" / "adopted_forest.json"
    before = record.read_bytes()
    assert "came trained" in repo.make(model, "train").succeeded().err
    assert record.read_bytes() == before
    repo.make(None, "dvc").succeeded()
    assert not (model.parent / "dvc.yaml").exists()
    again = repo.make(None, "adopt", f"MODEL_FILE={one.file}", f"DATASET={one.data}")
    again.failed("projects/adopted/forest: there already", "NAME")
    repo.make(None, "rename", "MODEL=adopted/forest", "TO=adopted/trees").succeeded()
    with repo.serving(model.with_name("trees")) as port:
        assert '"cheap"' in repo.make(model.with_name("trees"), "test-endpoint", f"PORT={port}").succeeded().out
    repo.make(None, "remove", "MODEL=adopted/trees", "FORCE=1").succeeded()
    assert sorted(path.name for path in (repo.path / "projects/adopted").rglob("*") if path.is_file()) == ["sizes.csv"]


@pytest.mark.parametrize(
    ("name", "data", "target", "parts"),
    [
        ("sklearn", "size,rent\n1,2\n", "rent", ["the model's column(s) city, furnished are not in it"]),
        ("sklearn", "size,city,furnished,rent\n", "rent", ["the table has no rows"]),
        ("sklearn", "", "", ["data.csv"]),
        ("lightgbm", "my size,floor,rent\n1,2,3\n", "price", ["TARGET=price", "it has my size, floor, rent"]),
        ("onnx", "size,rent\n1,2\n", "", ["the model takes 1 column(s)", "name the other as TARGET"]),
        ("lightgbm", "my size,floor\nwide,2\n", "", ["column my size: the text 'wide'", "takes numbers"]),
        ("onnx", "size,size\n1,2\n", "", ["two columns are called 'size'"]),
        ("onnx", None, "", ["no such file"]),
    ],
)
def test_a_table_that_does_not_fit(
    repo: Monorepo,
    fitted: dict[str, Fitted],
    tmp_path: Path,
    name: str,
    data: str | None,
    target: str,
    parts: list[str],
) -> None:
    path = tmp_path / "data.csv"
    if data is not None:
        path.write_text(data)
    given = [f"MODEL_FILE={fitted[name].file}", f"DATASET={path}", f"TARGET={target}", "PROJECT=bad"]
    repo.make(None, "adopt", *given).failed(*parts)
    assert not (repo.path / "projects/bad").exists()
    assert not [*(repo.path / ".trainyard").glob("adopting-*")]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (["NAME=" + "x" * 300], ["is longer than 40 characters"]),
        (["NAME=a b"], ["cannot name a Python package"]),
        (["NAME=../x"], ["cannot name a Python package"]),
        (["PROJECT=json"], ["Python's own library"]),
        (["DATASET="], ["DATASET is missing"]),
        (["MODEL_FILE="], ["MODEL_FILE is missing"]),
    ],
)
def test_what_is_said_wrong(repo: Monorepo, fitted: dict[str, Fitted], given: list[str], parts: list[str]) -> None:
    one = fitted["onnx"]
    repo.make(None, "adopt", f"MODEL_FILE={one.file}", f"DATASET={one.data}", *given).failed(*parts)


def test_a_file_that_was_cut_off_is_no_model(repo: Monorepo, fitted: dict[str, Fitted], tmp_path: Path) -> None:
    from sklearn.preprocessing import StandardScaler

    for name, one in fitted.items():
        content = Path(one.file).read_bytes()
        for part in (0.1, 0.5, 0.98):
            path = tmp_path / f"{name}.bin"
            path.write_bytes(content[: int(part * len(content))])
            repo_error = repo.make(
                None, "adopt", f"MODEL_FILE={path}", f"DATASET={one.data}", f"TARGET={TARGETS[name]}"
            )
            repo_error.failed(str(path))
    (tmp_path / "other.pkl").write_bytes(pickle.dumps({"weights": [1, 2]}))
    made = repo.make(None, "adopt", f"MODEL_FILE={tmp_path}/other.pkl", f"DATASET={fitted['onnx'].data}")
    made.failed("a pickle of a dict with 'weights'")
    (tmp_path / "scaler.pkl").write_bytes(pickle.dumps(StandardScaler().fit([[1.0], [2.0]])))
    made = repo.make(None, "adopt", f"MODEL_FILE={tmp_path}/scaler.pkl", f"DATASET={fitted['onnx'].data}")
    made.failed("StandardScaler transforms rows and predicts nothing")


def test_ctrl_c_leaves_nothing_or_a_model(repo: Monorepo, fitted: dict[str, Fitted]) -> None:
    one, folder = fitted["onnx"], repo.path / "projects" / "stopped"
    given = [f"MODEL_FILE={one.file}", f"DATASET={one.data}", "PROJECT=stopped"]
    process = repo.spawn(None, "adopt", *given)
    until(lambda: [*(repo.path / ".trainyard").glob("adopting-*")] or process.poll() is not None)
    text = interrupt(process)
    assert "Traceback" not in text
    assert folder.exists() == (process.returncode == 0), text
    assert not [*(repo.path / ".trainyard").glob("adopting-*")]
    assert folder.exists() or repo.make(None, "adopt", *given).succeeded()


@pytest.mark.nightly
def test_two_at_once_become_two_models(repo: Monorepo, fitted: dict[str, Fitted]) -> None:
    one = fitted["onnx"]
    given = ["adopt", f"MODEL_FILE={one.file}", f"DATASET={one.data}", "PROJECT=twice"]
    running = [repo.spawn(None, *given, f"NAME={name}") for name in ("a", "b", "b")]
    ended = [process.wait(timeout=120) for process in running]
    assert sorted(ended)[:2] == [0, 0] and sorted(ended)[2] != 0
    assert sorted(path.name for path in (repo.path / "projects/twice").iterdir()) == ["a", "b", "data", "models"]
