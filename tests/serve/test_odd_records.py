"""A record may hold anything: its own route says so or shows it, and all others are served, shown and renewed."""

import hashlib
import json

import pytest
import requests
import town
from waiting import until

pytestmark = pytest.mark.slow

PAGES = ["", "docs", "openapi.json", "metrics", "readyz", "v2/models/sums", "v2/models/houses", "health"]
HALF = "\ud800"  # a character that JSON can write and UTF-8 cannot


def replace(folder, name, record, content=None):
    """As training does it: the record first, each whole."""
    path = folder / f"models/{name}"
    if content is not None:
        record = record | {
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
            "replaces": town.version_of(name, 64),
        }
    text = record if isinstance(record, str) else json.dumps(record)
    for suffix, written in ((".json", text), (".pkl", content)):
        if written is not None:
            path.with_suffix(".new").write_text(written)
            path.with_suffix(".new").replace(path.with_suffix(suffix))


def deep(levels):
    return json.loads("[" * levels + "]" * levels)


ODD = {
    "half characters": {
        "metrics": {HALF: HALF},
        "dataset": HALF,
        "finished": HALF,
        "sample": {"instances": [[1, HALF]], "predictions": [HALF]},
        "schema": {"columns": [
            {"name": HALF, "type": "number"},
            {"name": "b", "type": "category", "categories": [HALF]},
        ]},
    },
    "other types": {"metrics": [1], "schema": 7, "sample": "text", "packages": 3, "finished": {}, "dataset": [None]},
    "other types within": {
        "metrics": {"a": {"b": [1]}, "c": None},
        "schema": {"columns": [3, None]},
        "sample": {"instances": 3},
        "packages": {"numpy": 3},
        "compiled": 5,
    },
    "huge numbers": {
        "metrics": {"a": 10**400, "b": float("inf"), "c": float("nan"), "d": -(2**70)},
        "schema": {"columns": [
            {"name": "a", "type": "number", "minimum": float("-inf"), "maximum": 10**400, "integer": True},
            {"name": "b", "type": "number", "minimum": float("nan"), "maximum": 1, "integer": True},
        ]},
        "finished": "0001-01-01T00:00:00+00:00",
        "sample": {"instances": [[10**30, float("nan")]]},
    },
    "deep": {"metrics": {"a": deep(400)}, "params": deep(400), "sample": {"instances": [deep(400)], "x": deep(400)}},
    "long": {"metrics": {"a" * 10**6: "b" * 10**6}, "dataset": "c" * 10**6, "model_name": "houses"},
}  # fmt: skip


def ask(daemon, page):
    return requests.get(f"{daemon.url}/{page}", timeout=20)


def check(daemon):
    assert daemon.post("sums", [[1, 2, 3]]).json()["payload"]["predictions"]
    for page in PAGES:
        answer = ask(daemon, page)
        assert answer.status_code in (200, 404, 503), (page, answer.status_code, answer.text[:300])
        answer.content.decode("utf-8")
        assert len(answer.content) < 200_000, page
        if answer.headers["Content-Type"].startswith("application/json"):
            answer.json()
    assert ask(daemon, "readyz/sums").json()["ready"]
    assert "/sums" in ask(daemon, "openapi.json").json()["paths"]


def wait_for_version(daemon, content):
    version = hashlib.sha256(content.encode()).hexdigest()[:12]
    until(lambda: ask(daemon, "readyz/sums").json()["routes"]["sums"]["version"] == version, 30, daemon.text)


@pytest.mark.parametrize("name", ODD)
def test_a_server_starts_with_an_odd_record_and_shows_all_routes(start, tmp_path, name):
    folder = town.build(tmp_path / "action")
    record = json.loads((folder / "models/houses.json").read_text())
    (folder / "models/houses.json").write_text(json.dumps(record | ODD[name]))
    check(start(folder, WORKERS="1"))


@pytest.mark.parametrize("text", ["[" * 200_000, "{" * 10, "\0", "[]", "9" * 5000])
def test_a_file_that_is_no_record_costs_its_own_route(start, tmp_path, text):
    folder = town.build(tmp_path / "action")
    (folder / "models/houses.json").write_text(text)
    check(start(folder, WORKERS="1"))


def test_an_odd_record_holds_up_no_new_model(start, tmp_path):
    folder = town.build(tmp_path / "action")
    daemon = start(folder, WORKERS="2", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    before = ask(daemon, "readyz/houses/value").json()["routes"]["houses/value"]["version"]
    for name, odd in {"half characters": ODD["half characters"], "brackets": "[" * 200_000}.items():
        replace(folder, "houses", odd)
        content = f"sums, after {name}"
        replace(folder, "sums", {"model_name": "sums"}, content)
        wait_for_version(daemon, content)
        check(daemon)
    assert daemon.post("houses/value", [[1, "Bonn"]]).headers["X-Model-Version"] == before


def test_endless_reasons_and_thousands_of_changed_files_do_not_end_the_server(start, tmp_path):
    folder = town.build(tmp_path / "action")
    daemon = start(folder, WORKERS="2", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    (folder / "town/houses/predict.py").write_text(
        "from trainyard.errors import BadRequest\n"
        "def predict_value(msg):\n    open('models/houses.pkl').close()\n    raise BadRequest('long ' * 200_000)\n"
    )
    for number in range(20_000):
        (folder / f"models/{'litter' * 10}-{number}").touch()
    replace(folder, "houses", {"model_name": "houses"}, "houses again")
    replace(folder, "sums", {"model_name": "sums"}, "sums again")
    wait_for_version(daemon, "sums again")
    refused = ask(daemon, "readyz/houses/value").json()["routes"]["houses/value"]["refused"]
    assert "long long" in refused
    assert len(refused) < 1000
    check(daemon)
