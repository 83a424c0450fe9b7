"""Functions that open their pickle by themselves never get one that is not the recorded one."""

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

SOURCES = {
    "imported": """
        import pickle

        with open("models/imported.pkl", "rb") as file:
            MODEL = pickle.load(file)

        def predict(msg):
            return {"predictions": [MODEL]}
        """,
    "called": """
        import os
        import pickle

        def predict(msg):
            descriptor = os.open("models/called.pkl", os.O_RDONLY)
            with os.fdopen(descriptor, "rb") as file:
                return {"predictions": [pickle.load(file)]}
        """,
}


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def write(folder, name, value, **facts):
    """A binary, and a record that names another one where ``facts`` say so; without a record for ``sha256=None``."""
    binary = folder / f"models/{name}.pkl"
    new = binary.with_suffix(".new")
    new.write_bytes(pickle.dumps(value))
    record = {"model_name": name, "sha256": hashlib.sha256(new.read_bytes()).hexdigest()} | facts
    if record["sha256"]:
        binary.with_suffix(".json").write_text(json.dumps(record))
    new.rename(binary)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".s2i").mkdir()
    (tmp_path / "models").mkdir()
    routes = ",".join(f"{name}:shop.{name}:predict" for name in SOURCES)
    (tmp_path / ".s2i/environment").write_text(f"ROUTES={routes}\n")
    (tmp_path / "shop/test").mkdir(parents=True)
    (tmp_path / "shop/test/test_instances.json").write_text('{"payload": {"instances": [[1]]}}')
    for name, source in SOURCES.items():
        (tmp_path / f"shop/{name}.py").write_text(re.sub(r"(?m)^ {8}", "", source))
        write(tmp_path, name, 1)
    return tmp_path


WAYS = {
    "open": 'open("models/a.pkl", "rb").read()',
    "io": '__import__("io").open(b"models/a.pkl", mode="rb").read()',
    "pathlib": '__import__("pathlib").Path("models/a.pkl").read_bytes()',
    "os": 'os.read(os.open("models/a.pkl", os.O_RDONLY), 100)',
    "joblib": 'pickle.dumps(__import__("joblib").load("models/a.pkl"))',
    "numpy": '__import__("numpy").fromfile("models/a.pkl", dtype="u1").tobytes()',
    "memmap": '__import__("numpy").memmap("models/a.pkl", dtype="u1", mode="r").tobytes()',
    "bz2": '(lambda file: file._fp.read())(__import__("bz2").open("models/a.pkl"))',
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_read_is_what_was_verified_whatever_happens_to_the_file(tmp_path, way):
    """The file is replaced, or written into, after each comparison and before the open goes on."""
    code = f"""
import os, pickle
from pathlib import Path
from trainyard.image.serve.prediction import verified_opens
from trainyard.image.serve.prediction.opened_models import recording

check = verified_opens.Vouching.check

def check_and_then(self, name, sha256):
    check(self, name, sha256)
    with open("models/a.pkl", "r+b") as file:
        file.write(b"in place")
    os.replace("models/other", "models/a.pkl")

verified_opens.Vouching.check = check_and_then
with recording(Path("models")):
    print(pickle.loads({WAYS[way]}))
"""
    (tmp_path / "models").mkdir()
    write(tmp_path, "a", "the recorded one")
    (tmp_path / "models/other").write_bytes(pickle.dumps("another"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("the recorded one\n", "")


def test_an_opener_and_writing_are_left_to_who_does_it(tmp_path):
    code = """
from pathlib import Path
import os
from trainyard.image.serve.prediction.opened_models import recording
with recording(Path("models")):
    print(open("models/a.pkl", "rb", opener=lambda path, flags: os.open("/dev/null", flags)).read())
    with open("models/new.txt", "w") as file:
        file.write("new")
    print(open("models/new.txt").read(), open(file="models/new.txt", mode="r", opener=None, encoding="ascii").read())
    try:
        open("models/absent.pkl")
    except FileNotFoundError as error:
        print(error)
"""
    (tmp_path / "models").mkdir()
    write(tmp_path, "a", 1)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "b''\nnew new\n[Errno 2] No such file or directory: 'models/absent.pkl'\n", done.stderr


def payload(daemon, route):
    answer = daemon.post(route, [[1]])
    return answer.status_code, answer.json()["payload"]


def test_a_binary_that_is_not_the_recorded_one_is_never_unpickled(folder, start):
    for name in SOURCES:
        write(folder, name, Bomb(), sha256="0" * 64)
    daemon = start(folder, WORKERS="1")
    for name in SOURCES:
        status, found = payload(daemon, name)
        assert status == 503
        assert f"models/{name}.pkl: corrupt, sha256" in found["error"]
    assert not (folder / "exploded").exists()


def test_nor_one_that_comes_later(folder, start):
    daemon = start(folder, WORKERS="1")
    assert [payload(daemon, name) for name in SOURCES] == [(200, {"predictions": [1]})] * 2
    for name in SOURCES:
        write(folder, name, Bomb(), sha256="0" * 64)
    daemon.wait_for("route /called keeps the model that it has")
    status, found = payload(daemon, "called")
    assert status == 503
    assert "corrupt" in found["error"]
    assert payload(daemon, "imported") == (200, {"predictions": [1]})
    for name in SOURCES:
        write(folder, name, 2)
    until(lambda: payload(daemon, "imported") == (200, {"predictions": [2]}), 15)
    assert payload(daemon, "called") == (200, {"predictions": [2]})
    assert not (folder / "exploded").exists()


def test_another_models_binary_and_the_one_that_is_about_to_be_replaced(folder, start):
    old = hashlib.sha256((folder / "models/called.pkl").read_bytes()).hexdigest()
    record = {"model_name": "called", "sha256": "1" * 64, "replaces": old}
    (folder / "models/called.json").write_text(json.dumps(record))
    write(folder, "imported", 1, model_name="other")
    daemon = start(folder, WORKERS="1")
    answer = daemon.post("called", [[1]])
    assert answer.status_code == 200
    assert answer.headers["X-Model-Version"] == old[:12]  # and not what the record promises
    status, found = payload(daemon, "imported")
    assert status == 503
    assert "its record says it is 'other'" in found["error"]


def test_a_missing_record_is_a_warning_once(folder, start):
    (folder / "models/called.json").unlink()
    write(folder, "called", 1, sha256=None)
    daemon = start(folder, WORKERS="2")
    for _ in range(20):
        assert payload(daemon, "called") == (200, {"predictions": [1]})
    os.utime(folder / "models/called.pkl")
    daemon.wait_for("models/ has changed")
    for _ in range(20):
        assert payload(daemon, "called") == (200, {"predictions": [1]})
    assert daemon.text().count("called.pkl: no record beside it") == 1
