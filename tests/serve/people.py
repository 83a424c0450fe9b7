"""A served model of people whose record says what its rows look like, written into a folder."""

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("age", "job", "hours")
SAMPLE = [[30, "clerk", 40], [50, "<script>alert(1)</script>", 20.5]]
SCHEMA = {
    "columns": [
        {"name": "age", "type": "number", "minimum": 20, "maximum": 60, "integer": True},
        {"name": "job", "type": "category", "categories": ["<script>alert(1)</script>", "clerk", "cook, head"]},
        {"name": "hours", "type": "number", "minimum": 0.5, "maximum": 60, "integer": False},
    ]
}
ROUTES = (
    "ROUTES="
    + ",".join(
        (
            "people/encoded:people.predict:encoded",
            "people/plain:people.predict:plain",
            "people/named:people.predict:named",
            "free:people.predict:free",
            "gone:people.gone:predict",
        )
    )
    + "\n"
)
PREDICT = """
from common_utils.encoders import TabularEncoder

ROWS = [[20, "clerk", 0.5], [60, "cook, head", 60], [30, "<script>alert(1)</script>", 40]]
ENCODER = TabularEncoder.fit(ROWS, ("age", "job", "hours"), scale=False)


def read():
    with open("models/people.pkl") as file:
        return file.read()


def encoded(msg):
    read()
    return {"predictions": ENCODER.transform(msg.payload["instances"]).sum(axis=1), "labels": ["a", "b"]}


def plain(msg):
    read()
    return {"predictions": msg.payload["instances"]}


def named(msg):
    read()
    rows = msg.payload["instances"]
    return {"predictions": ["yes"] * len(rows), "scores": [[0.25, 0.7512345]] * len(rows), "labels": ["no", "yes"]}


def free(msg):
    return {"predictions": msg.payload["instances"]}
"""


def write(folder: Path, **facts: object) -> Path:
    """The folder of a predict image; ``facts`` go into the record."""
    (folder / ".s2i").mkdir(parents=True)
    (folder / ".s2i/environment").write_text(ROUTES)
    (folder / "people/test").mkdir(parents=True)
    (folder / "people/predict.py").write_text(PREDICT)
    (folder / "people/test/test_instances.json").write_text(json.dumps({"payload": {"instances": SAMPLE}}))
    (folder / "models").mkdir()
    (folder / "models/people.pkl").write_text("trained")
    record = {
        "model_name": "people",
        "sha256": hashlib.sha256(b"trained").hexdigest(),
        "task": "classification",
        "metrics": {"accuracy": 0.9125, "<b>auc</b>": 0.5},
        "measured_on": "test",
        "finished": "2026-11-20T10:00:00.000+00:00",
        "dataset": "data/people.csv",
        "schema": SCHEMA,
        "sample": {"instances": SAMPLE, "predictions": ["a", "b"]},
    }
    (folder / "models/people.json").write_text(json.dumps(record | facts))
    return folder


def served(start, folder: Path, **facts: object):
    """A daemon with one worker that serves it."""
    return start(write(folder, **facts), WORKERS="1", PYTHONPATH=str(ROOT))
