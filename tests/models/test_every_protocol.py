"""A table with missing cells, and a pipeline on a data frame: trained, served, answering alike by every protocol."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/serve"))

from daemons import Daemon, end  # noqa: E402

pytestmark = pytest.mark.slow

FINANCE = ROOT / "projects/finance_income_prediction"
TRAINED_ROWS, ASKED_ROWS = 1500, 60
TRAIN = """
import json, sys
from importlib import import_module
from trainyard.contract.message import Message
for name, model in (("lr", "logisticRegression"), ("xgb", "xgBoost")):
    module = import_module(f"finance_income_prediction.{model}.train")
    module.train(Message(payload={"$ref": "data/blank.csv", "model_name": f"adult_income_{name}"}))
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from utils.binaries import load_model, save_model

table = pd.read_csv("data/blank.csv", skipinitialspace=True)
X, y = table.drop(columns="income"), table["income"]
numbers = X.select_dtypes("number").columns.tolist()
texts = [name for name in X.columns if name not in numbers]
encode = make_column_transformer(
    (SimpleImputer(add_indicator=True), numbers), (OneHotEncoder(handle_unknown="ignore"), texts)
)
pipeline = make_pipeline(encode, LogisticRegression(max_iter=50)).fit(X, y)
save_model(pipeline, "framed", frame=X)

from common_utils.predicting import classify
from common_utils.tables import read_table
from finance_income_prediction.common_utils.schema import SCHEMA
import joblib
rows = read_table(__import__("pathlib").Path("data/asked.csv"), SCHEMA).rows
asked = pd.read_csv("data/asked.csv", skipinitialspace=True).drop(columns="income").astype(X.dtypes.to_dict())
expected = {
    "lr": classify(joblib.load("models/adult_income_lr.pkl"), rows)["scores"],
    "xgb": classify(joblib.load("models/adult_income_xgb.pkl"), rows)["scores"],
    "framed": pipeline.predict_proba(asked).tolist(),
}
json.dump({"rows": rows, "expected": expected}, open("asked.json", "w"))
"""
ROUTES = (
    "ROUTES=lr:finance_income_prediction.logisticRegression.predict:predict_adult_income_lr,"
    "xgb:finance_income_prediction.xgBoost.predict:predict_adult_income_xgb,framed:framed:predict_framed\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an image that serves three models of the income table with a fifth of its cells blank."""
    folder = tmp_path_factory.mktemp("blank") / "action"
    for name in ("models", "data", ".s2i"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(FINANCE, folder / FINANCE.name, ignore=shutil.ignore_patterns("data", "models", "runs", "all"))
    (folder / "framed.py").write_text(
        "from common_utils.frames import predictor\n\npredict_framed = predictor('framed')\n"
    )
    (folder / ".s2i/environment").write_text(ROUTES)
    lines = (FINANCE / "data/adult_income-prepped.csv").read_text().splitlines()[: TRAINED_ROWS + ASKED_ROWS + 1]
    header, *rows = list(csv.reader(lines, skipinitialspace=True))
    draw = random.Random(7)
    label = header.index("income")
    blank = [[v if n == label or draw.random() > 0.2 else "" for n, v in enumerate(row)] for row in rows]
    for name, part in (("blank", blank[:TRAINED_ROWS]), ("asked", blank[TRAINED_ROWS:])):
        with (folder / f"data/{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *part])
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'projects'}"}
    done = subprocess.run([sys.executable, "-c", TRAIN], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def daemon(folder: Path) -> Iterator[Daemon]:
    daemon = Daemon(folder, WORKERS="1", PYTHONPATH=str(ROOT))
    yield daemon
    end(daemon.process)


@pytest.fixture(scope="module")
def asked(folder: Path) -> Any:
    return json.loads((folder / "asked.json").read_text())


def schema(folder: Path, route: str) -> list[dict[str, Any]]:
    name = route if route == "framed" else f"adult_income_{route}"
    return list(json.loads((folder / f"models/{name}.json").read_text())["schema"]["columns"])


def post(daemon: Daemon, path: str, body: bytes, content_type: str, **headers: str) -> Any:
    answer = requests.post(
        f"{daemon.url}/{path}", data=body, headers={"Content-Type": content_type, **headers}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def tensors(rows: Sequence[Sequence[Any]], columns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": column["name"], "shape": [len(rows)], "data": list(values),
         "datatype": "FP64" if column["type"] == "number" else "BYTES"}
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]  # fmt: skip


def as_bytes(tensor: dict[str, Any]) -> bytes:
    if tensor["datatype"] == "FP64":
        values = [float("nan") if value is None else value for value in tensor["data"]]
        return struct.pack(f"<{len(values)}d", *values)
    texts = [(value or "").encode() for value in tensor["data"]]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def as_csv(rows: Sequence[Sequence[Any]], names: Sequence[str] = ()) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([*([names] if names else []), *rows])
    return text.getvalue().encode()


def by_every_protocol(daemon: Daemon, route: str, rows: list[Any], columns: list[dict[str, Any]]) -> Iterator[Any]:
    """The scores of ``rows``, asked for in each way."""
    names = [column["name"] for column in columns]
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    without_nulls = [{key: value for key, value in row.items() if value is not None} for row in objects]
    for instances in (rows, objects, without_nulls):
        body = json.dumps({"payload": {"instances": instances}}).encode()
        yield post(daemon, route, body, "application/json")["payload"]["scores"]
    for text in (as_csv(rows), as_csv([row[::-1] for row in rows], names[::-1])):
        yield post(daemon, route, text, "text/csv")["payload"]["scores"]
    for lines in (rows, objects):
        text = "".join(json.dumps(row) + "\n" for row in lines).encode()
        yield post(daemon, route, text, "application/x-ndjson")["payload"]["scores"]
    own = {"X-Amzn-SageMaker-Custom-Attributes": f"route={route}"}
    yield post(daemon, "invocations", json.dumps({"instances": rows}).encode(), "application/json", **own)["scores"]
    yield post(daemon, "invocations", as_csv(rows), "text/csv", **own)["scores"]
    inputs = tensors(rows, columns)
    answers = [post(daemon, f"v2/models/{route}/infer", json.dumps({"inputs": inputs}).encode(), "application/json")]
    pieces = [as_bytes(tensor) for tensor in inputs]
    described = [
        {"name": tensor["name"], "shape": tensor["shape"], "datatype": tensor["datatype"],
         "parameters": {"binary_data_size": len(piece)}}
        for tensor, piece in zip(inputs, pieces, strict=True)
    ]  # fmt: skip
    head = json.dumps({"inputs": described}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    answers.append(
        post(daemon, f"v2/models/{route}/infer", head + b"".join(pieces), "application/octet-stream", **length)
    )
    for answer in answers:
        (scores,) = [output for output in answer["outputs"] if output["name"] == "scores"]
        width = scores["shape"][1]
        yield [scores["data"][start : start + width] for start in range(0, len(scores["data"]), width)]


@pytest.mark.parametrize("route", ["lr", "xgb", "framed"])
def test_missing_cells_are_answered_as_the_pipeline_answers_them_by_every_protocol(
    daemon: Daemon, folder: Path, asked: Any, route: str
) -> None:
    assert sum(value is None for row in asked["rows"] for value in row) > 100
    answered = list(by_every_protocol(daemon, route, asked["rows"], schema(folder, route)))
    assert len(answered) == 11
    for scores in answered:
        assert scores == answered[0]
    for one, other in zip(answered[0], asked["expected"][route], strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_models_of_missing_cells_are_compiled(folder: Path) -> None:
    for name in ("adult_income_lr", "adult_income_xgb"):
        assert json.loads((folder / f"models/{name}.json").read_text())["compiled"]["format"] == "onnx"


def test_every_route_is_ready_and_shares_calls(daemon: Daemon) -> None:
    assert requests.get(f"{daemon.url}/readyz", timeout=10).json()["ready"] is True


def test_null_in_a_column_that_had_none_stays_an_error(daemon: Daemon, folder: Path, asked: Any) -> None:
    row = dict(zip([column["name"] for column in schema(folder, "lr")], asked["rows"][0], strict=True))
    row["age"] = "old"
    answer = daemon.post("lr", [row])
    assert answer.status_code == 400
    assert "column age: the text 'old' where a finite number belongs" in answer.text


def test_the_pages_have_a_field_for_each_column_of_a_frame(daemon: Daemon, folder: Path) -> None:
    document = requests.get(f"{daemon.url}/openapi.json", timeout=10).json()
    row = document["components"]["schemas"]["predict_framed.object"]
    assert list(row["properties"]) == [column["name"] for column in schema(folder, "framed")]
    assert row["properties"]["age"]["type"] == ["number", "null"]
    assert row["required"] == []
    page = requests.get(daemon.url, timeout=10).text
    assert all(column["name"] in page for column in schema(folder, "framed"))
