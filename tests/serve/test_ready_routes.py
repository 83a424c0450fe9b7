"""Ready means that a request would be answered; what is shared, and what a bare list means, follow from the sample."""

import hashlib
import json
import threading

import pytest
import requests

PREDICT = """
import json
import time
from pathlib import Path

import pandas as pd


def frame(msg):
    return {"predictions": pd.DataFrame(msg["payload"]["instances"])}


def moment(msg):
    return {"predictions": [pd.Timestamp("2026-01-02") for _ in msg["payload"]["instances"]]}


def odd(msg):
    return {"predictions": [object() for _ in msg["payload"]["instances"]]}


def lengths(msg):
    return {"predictions": [len(text) for (text,) in msg["payload"]["instances"]]}


def by_zip(msg):
    frame = pd.DataFrame(msg["payload"]["instances"], columns=["zip", "size"])
    time.sleep(0.006)
    rate = frame["zip"].astype(str).map({"10115": 1.0}).fillna(0.0)
    return {"predictions": (rate * frame["size"]).tolist()}


LOADED = []


def priced(msg):
    LOADED[:] = LOADED or [json.loads(Path("models/priced.pkl").read_text())]
    return {"predictions": [LOADED[0] * row[0] for row in msg["payload"]["instances"]]}
"""
SAMPLES = {
    "pairs": [[10115, 50], [20095, 10], [10115, 7]],
    "texts": ["text a", "text bb"],
    "numbers": [3, 4],
}
ROUTES = {"frame": "pairs", "moment": "pairs", "odd": "pairs", "by_zip": "pairs", "lengths": "texts", "priced": "pairs"}


def write_model(folder, factor, **column):
    content = json.dumps(factor).encode()
    column = {"name": "zip", "type": "number", **column}
    record = {
        "model_name": "priced",
        "sha256": hashlib.sha256(content).hexdigest(),
        "sample": {"instances": [[10115, 50], [20095, 10]]},
        "schema": {"columns": [column, {"name": "size", "type": "number"}]},
    }
    for name, text in (("priced.json", json.dumps(record).encode()), ("priced.pkl", content)):
        (folder / "models" / f"{name}.part").write_bytes(text)
        (folder / "models" / f"{name}.part").replace(folder / "models" / name)


@pytest.fixture(scope="module")
def daemon(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ready") / "action"
    (folder / ".s2i").mkdir(parents=True)
    (folder / "models").mkdir()
    for name, rows in SAMPLES.items():
        (folder / name / "test").mkdir(parents=True)
        (folder / name / "predict.py").write_text(PREDICT)
        (folder / name / "test/test_instances.json").write_text(json.dumps({"payload": {"instances": rows}}))
    routes = ",".join(f"{function}:{module}.predict:{function}" for function, module in ROUTES.items())
    (folder / ".s2i/environment").write_text(f"ROUTES={routes}\n")
    write_model(folder, 2)
    return start(folder, WORKERS="1")


def ready(daemon):
    return requests.get(f"{daemon.url}/readyz", timeout=20).json()["routes"]


def test_an_answer_that_cannot_be_written_makes_its_route_not_ready_and_no_other(daemon):
    routes = ready(daemon)
    assert {path for path, facts in routes.items() if not facts["ready"]} == {"frame", "odd"}
    assert "a DataFrame is not JSON: return its values.tolist()" in routes["frame"]["reason"]
    assert "a object is not JSON" in routes["odd"]["reason"]
    assert daemon.post("moment").json()["payload"]["predictions"] == ["2026-01-02T00:00:00"]


def test_another_client_changes_nobodys_answer(daemon):
    seen = set()

    def good():
        for _ in range(25):
            seen.add(tuple(daemon.post("by_zip", [[10115, 50]]).json()["payload"]["predictions"]))

    def other(row):
        for _ in range(25):
            daemon.post("by_zip", [row])

    others = ([None, 5], [10115.0, 5], ["10115", 5], [2**63, 5])
    threads = [threading.Thread(target=good) for _ in range(4)]
    threads += [threading.Thread(target=other, args=(row,)) for row in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {(50.0,)}


@pytest.mark.parametrize("bare", [["a"], ["a", "bbb"], ["a", "bb", "ccc"]])
def test_a_list_of_texts_is_as_many_rows_where_the_sample_has_one_text_a_row(daemon, bare):
    expected = {"predictions": [len(text) for text in bare]}
    assert daemon.post("lengths", bare).json()["payload"] == expected
    own = {"X-Amzn-SageMaker-Custom-Attributes": "route=lengths"}
    answer = requests.post(f"{daemon.url}/invocations", json={"instances": bare}, headers=own, timeout=20)
    assert answer.json() == expected
    lines = "".join(json.dumps(text) + "\n" for text in bare)
    for content_type, body in (("text/csv", "\n".join(bare)), ("application/x-ndjson", lines)):
        answer = daemon.post("lengths", json=None, data=body, headers={"Content-Type": content_type})
        assert answer.json()["payload"] == expected
    tensor = {"name": "texts", "datatype": "BYTES", "shape": [len(bare)], "data": bare}
    answer = requests.post(f"{daemon.url}/v2/models/lengths/infer", json={"inputs": [tensor]}, timeout=20)
    assert answer.json()["outputs"][0]["data"] == expected["predictions"]


def test_a_platform_that_knows_no_flat_row_is_told_what_to_write(daemon):
    own = {"X-Amzn-SageMaker-Custom-Attributes": "route=by_zip"}
    answer = requests.post(f"{daemon.url}/invocations", json={"instances": [10115, 50]}, headers=own, timeout=20)
    assert answer.status_code == 400
    assert "send [[a, b, ...]] for one row" in answer.text
    assert daemon.post("by_zip", [10115, 50]).json()["payload"]["predictions"] == [50.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "says"),
    [
        (
            {"type": "category", "categories": ["10115"]},
            "instances[0], column zip: the number 10115 where text belongs",
        ),
        ({"type": "integer"}, "the record of priced: the schema's column 'zip' has the unknown type 'integer'"),
    ],
)
def test_a_retrain_whose_schema_refuses_its_own_sample_is_refused(daemon, column, says):
    before = daemon.post("priced", [[10115, 50]])
    assert before.status_code == 200
    write_model(daemon.folder, 3, **column)
    daemon.wait_for(f"route /priced keeps the model that it has: .*{says.partition('[')[0]}", seconds=40)
    assert says in ready(daemon)["priced"]["refused"]
    again = daemon.post("priced", [[10115, 50]])
    assert (again.status_code, again.json()) == (200, before.json())
    write_model(daemon.folder, 2)
