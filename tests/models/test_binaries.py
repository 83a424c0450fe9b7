from __future__ import annotations

import hashlib
import json
import logging
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import joblib
import pytest

from trainyard.errors import ModelUnavailable, TrainyardError
from utils.binaries import load_model, save_model, served_model_name


class SlowToLoad:
    """Counts how often it is unpickled, and takes its time, so that threads meet."""

    loads = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        time.sleep(0.2)
        SlowToLoad.loads += 1

    def __getstate__(self) -> dict[str, Any]:
        return {"some": "state"}


def save(name: str = "m", value: object = 1) -> dict[str, Any]:
    return save_model({"value": value}, name, metrics={"accuracy": 0.9})


def refused(name: str = "m") -> str:
    """The one line with which loading is refused."""
    with pytest.raises(ModelUnavailable) as caught:
        load_model(name)
    assert caught.value.http_status == 503
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_saved_is_loaded(workdir: Path) -> None:
    save(value=[1, 2])
    assert load_model("m") == {"value": [1, 2], "model_name": "m"}


def test_the_record_tells_what_the_binary_is(workdir: Path) -> None:
    returned = save_model(
        {"value": 1},
        "m",
        metrics={"r2": 0.5},
        params={"alpha": 3},
        dataset=Path("data/a.csv"),
        sample={"instances": [[1]], "predictions": [2.0]},
        task="regression",
    )
    record = json.loads((workdir / "models/m.json").read_text())
    assert record == returned
    assert record == {
        "model_name": "m",
        "sha256": hashlib.sha256((workdir / "models/m.pkl").read_bytes()).hexdigest(),
        "metrics": {"r2": 0.5},
        "params": {"alpha": 3},
        "dataset": "data/a.csv",
        "sample": {"instances": [[1]], "predictions": [2.0]},
        "task": "regression",
    }


def test_nothing_else_is_left_in_models(workdir: Path) -> None:
    save()
    save()
    assert sorted(path.name for path in (workdir / "models").iterdir()) == ["m.json", "m.pkl"]


def test_a_training_killed_before_the_binary_followed_leaves_the_old_one_loadable(workdir: Path) -> None:
    save(value="old")
    old = (workdir / "models/m.pkl").read_bytes()
    save(value="new")
    (workdir / "models/m.pkl").write_bytes(old)
    assert load_model("m")["value"] == "old"


def test_no_room_leaves_the_old_pair_and_says_so_in_one_line(workdir: Path, python_path: str) -> None:
    save(value="old")
    before = {path.name: path.read_bytes() for path in (workdir / "models").iterdir()}
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000));"
        "from utils.binaries import save_model; from trainyard.errors import TrainyardError\n"
        "try: save_model({'value': bytes(100_000)}, 'm', metrics={})\n"
        "except TrainyardError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": python_path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("models/m.pkl: cannot be written (File too large): ")
    assert {path.name: path.read_bytes() for path in (workdir / "models").iterdir()} == before


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", None])
def test_a_name_that_leaves_the_folder_is_refused(workdir: Path, name: Any) -> None:
    with pytest.raises(TrainyardError, match="cannot be a model name"):
        save(name)
    with pytest.raises(TrainyardError, match="cannot be a model name"):
        load_model(name)


def test_no_binary(workdir: Path) -> None:
    assert refused() == "models/m.pkl: no such model binary: run make train"


def test_a_failure_is_not_remembered(workdir: Path) -> None:
    refused()
    save()
    assert load_model("m")["value"] == 1


def test_a_changed_byte_is_refused_before_unpickling(workdir: Path) -> None:
    save(value=SlowToLoad())
    binary = workdir / "models/m.pkl"
    binary.write_bytes(binary.read_bytes() + b"\0")
    loads = SlowToLoad.loads
    assert refused().startswith("models/m.pkl: corrupt, sha256 ")
    assert SlowToLoad.loads == loads


def test_a_binary_copied_from_another_model_is_refused(workdir: Path) -> None:
    save("other")
    (workdir / "models/m.pkl").write_bytes((workdir / "models/other.pkl").read_bytes())
    assert "is the binary of 'other', not of 'm'" in refused()
    (workdir / "models/m.json").write_bytes((workdir / "models/other.json").read_bytes())
    assert "its record says it is 'other', not 'm'" in refused()


def test_a_binary_without_a_record_loads_with_a_warning(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    save()
    (workdir / "models/m.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert load_model("m")["value"] == 1
    assert "models/m.pkl: no record beside it" in caplog.text


@pytest.mark.parametrize("value", [[1, 2], {"tree": 3}, None], ids=["list", "dict", "None"])
def test_a_binary_of_any_kind_loads_where_its_record_vouches_for_it(workdir: Path, value: Any) -> None:
    binary = workdir / "models/m.pkl"
    binary.write_bytes(pickle.dumps(value))
    assert "neither a record nor a model_name in it says whose it is" in refused()
    record = {"model_name": "m", "sha256": hashlib.sha256(binary.read_bytes()).hexdigest()}
    (workdir / "models/m.json").write_text(json.dumps(record))
    assert load_model("m") == value
    assert load_model("m") is load_model("m")


def test_a_record_does_not_vouch_for_a_bundle_that_names_another_model(workdir: Path) -> None:
    binary = workdir / "models/m.pkl"
    binary.write_bytes(pickle.dumps({"model_name": "other"}))
    record = {"model_name": "m", "sha256": hashlib.sha256(binary.read_bytes()).hexdigest()}
    (workdir / "models/m.json").write_text(json.dumps(record))
    assert "is the binary of 'other', not of 'm'" in refused()


@pytest.mark.parametrize("content", [b"not a pickle", b"\x80\x04", b"\x80\x05N."])
def test_bytes_that_are_no_bundle_are_refused(workdir: Path, content: bytes) -> None:
    (workdir / "models/m.pkl").write_bytes(content)
    assert refused().startswith("models/m.pkl: ")


def test_a_missing_library_is_named(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workdir / "vanishing_library.py").write_text("class Estimator: pass\n")
    monkeypatch.syspath_prepend(str(workdir))
    import vanishing_library  # type: ignore[import-not-found]

    joblib.dump({"model_name": "m", "estimator": vanishing_library.Estimator()}, "models/m.pkl")
    (workdir / "vanishing_library.py").unlink()
    del sys.modules["vanishing_library"]
    fix = "add the package that has vanishing_library to requirements_predict.txt"
    assert refused() == f"models/m.pkl: needs vanishing_library: {fix}"


def test_many_threads_load_once_and_share(workdir: Path) -> None:
    save(value=SlowToLoad())
    before = SlowToLoad.loads
    found: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: found.append(load_model("m"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SlowToLoad.loads == before + 1
    assert len(found) == 8
    assert all(bundle is found[0] for bundle in found)


@pytest.mark.parametrize("variable", ["MODEL_NAME", "MODElNAME"])
def test_the_served_model_follows_the_setting(workdir: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    assert served_model_name("default") == "default"
    monkeypatch.setenv(variable, "chosen")
    assert served_model_name("default") == "chosen"
