"""Each piece of bad input gets one line that names the file and the fix, a status that is not 0, nothing half-written.

On the process engine, since all of this is printed before an engine matters, or by scripts that every engine runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from monorepo import PREDICT, TRAIN, Model, Monorepo, free_port

SAVE = '    save_model({"factor": 2}, name, metrics={"rows": len(rows)})\n'
LOAD = '    factor = load_model(MODEL)["factor"]\n'


def images(repo: Monorepo) -> list[Path]:
    return list(repo.path.glob(".trainyard/process/images/*/image.json"))


def test_no_environment_file(repo: Monorepo, model: Model) -> None:
    (model.path / ".s2i" / "environment").unlink()
    made = repo.make(model, "build-predict")
    made.failed(f"{model.path}/.s2i/environment: no such file", "ROUTES=<route>:<module>:<function>")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ROUTES\n", ["environment:1: not a KEY=value line"]),
        ("# fine\nexport ROUTES=a:b:c\n", ["environment:2: not a KEY=value line"]),
        ("ROUTES=a/predict:b\n", ["environment:1", "2 field(s)", "route:module:function has 3"]),
        ("ROUTES=a/predict:b:c:d\n", ["environment:1", "4 field(s)"]),
        ("\n\nROUTES=:b:c\n", ["environment:3", "empty route"]),
        ("ROUTES=a:b:c,a:d:e\n", ["environment:1", "'a' twice"]),
        ("ROUTES=a:b:c\nROUTES=d:b:c\n", ["environment:2", "already set on line 1"]),
        ("ROUTES='a:b:c'\n", ["environment:1", "quote"]),
        ("ROUTES=a:b.py/x:c\n", ["environment:1", "not a module name"]),
        ("ROUTES=health:b:c\n", ["environment:1", "belongs to the daemon"]),
        ("TRAIN_MODULE=a\n", ["ROUTES is missing", "add a line such as ROUTES="]),
        ("ROUTES=a:b:c\nPREDICT_MODULE=x\nPREDICT_FUNCTION=c\n", ["environment:2", "x:c", "b:c", "agree"]),
        ("ROUTES=a:no.such.module:c\n", ["environment:1", "no.such.module"]),
    ],
)
def test_environment_files(repo: Monorepo, model: Model, text: str, parts: list[str]) -> None:
    (model.path / ".s2i" / "environment").write_text(text)
    repo.make(model, "build-predict").failed(str(model.path), *parts)
    assert not images(repo)


@pytest.mark.parametrize("name", ["a:b", "a\nb"])
def test_a_path_that_no_build_can_work_with(tmp_path: Path, name: str) -> None:
    repo = Monorepo(tmp_path / name / "repo")
    repo.make(repo.add_model("one"), "build-train").failed("the path of the monorepo has a", "rename the folder")


@pytest.mark.slow
def test_a_path_with_what_shells_and_make_expand(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / 'a$HOME (b)\'s `c` "d" & #1; *[x]' / "repo")
    repo.make(repo.add_model("one"), "build-train").succeeded()
    repo.make(None, "list").succeeded()


def test_an_unknown_key_is_a_warning(repo: Monorepo, model: Model) -> None:
    with (model.path / ".s2i" / "environment").open("a") as file:
        file.write("COLOUR=blue\n")
    made = repo.make(model, "-n", "build-predict").succeeded()
    assert "environment:4: unknown key COLOUR" in made.err


def test_a_module_that_does_not_import(repo: Monorepo, model: Model) -> None:
    model.replace("predict.py", "import os", "import os\nimport no_such_library")
    line = repo.make(model, "build-predict").failed("environment:1", "no_such_library", "requirements_predict.txt")
    assert f"{model.project}/{model.name}/predict.py:" in line
    assert not images(repo)


def test_a_function_that_is_not_callable(repo: Monorepo, model: Model) -> None:
    with (model.path / "predict.py").open("a") as file:
        file.write(f"\npredict_{model.name} = 3\n")
    repo.make(model, "build-predict").failed("environment:1", "not callable")


def test_a_train_function_that_is_missing(repo: Monorepo, model: Model) -> None:
    model.replace("train.py", "def train(", "def fit(")
    repo.make(model, "build-train").failed("environment:", "train")


def test_requirements_that_do_not_resolve(repo: Monorepo, model: Model) -> None:
    (model.path / "requirements_predict.txt").write_text("orjson<3.10\n")
    repo.make(model, "build-predict").failed("requirements_predict.txt", "cannot be resolved", "orjson")


def test_a_line_that_is_no_requirement(repo: Monorepo, model: Model) -> None:
    (model.path / "requirements_predict.txt").write_text("# ours\nnumpy >== 2\n")
    repo.make(model, "build-predict").failed(f"{model.path}/requirements_predict.txt:2", "numpy >== 2")


def test_no_requirements_file(repo: Monorepo, model: Model) -> None:
    (model.path / "requirements_train.txt").unlink()
    repo.make(model, "build-train").failed(f"{model.path}/requirements_train.txt: no such file")


def test_no_dataset(repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "train", "DATASET_NAME=data/absent.csv")
    made.failed(f"{model.path.parent}/data/absent.csv: no such dataset", "numbers.csv")
    assert not model.binary.exists()


@pytest.mark.parametrize("name", ["../../secret.csv", "/etc/passwd"])
def test_a_dataset_outside_the_project(repo: Monorepo, model: Model, name: str) -> None:
    repo.make(model, "train", f"DATASET_NAME={name}").failed("is not below the project")


@pytest.mark.parametrize(
    ("payload", "part"), [("{factor: 2}", "PAYLOAD is not JSON"), ("[1]", "PAYLOAD is a JSON list, not an object")]
)
def test_a_payload_that_is_no_object(repo: Monorepo, model: Model, payload: str, part: str) -> None:
    repo.make(model, "train", f"PAYLOAD={payload}").failed(part, "write a JSON object")


def test_models_is_not_writable(repo: Monorepo, model: Model) -> None:
    """Even root cannot write to a file system that is mounted read-only, or, without mounting, to a file."""
    folder = model.path.parent / "models"
    backup = folder.with_name("models.away")
    folder.rename(backup) if folder.exists() else backup.mkdir()
    folder.write_text("in the way")
    try:
        repo.make(model, "train").failed(str(folder))
    finally:
        folder.unlink()
        backup.rename(folder)


@pytest.mark.slow
def test_a_corrupt_binary_and_one_of_another_model(repo: Monorepo, model: Model) -> None:
    other = repo.add_model("other_model")
    for one in (model, other):
        # As the shipped models do it, through utils/.
        one.replace("train.py", "import pickle", "from utils.binaries import save_model")
        one.replace("train.py", TRAIN[TRAIN.index("    with open") : TRAIN.index("    return")], SAVE)
        one.replace("predict.py", "import pickle", "from utils.binaries import load_model")
        one.replace("predict.py", PREDICT[PREDICT.index("    with open") : PREDICT.index("    return")], LOAD)
        for kind in ("train", "predict"):
            (one.path / f"requirements_{kind}.txt").write_text("joblib\nnumpy\n")
        repo.make(one, "train").succeeded()
    good = model.binary.read_bytes()
    with repo.serving(model) as port:
        repo.make(model, "test-endpoint", f"PORT={port}").succeeded()
    model.binary.write_bytes(good[:-1] + b"x")
    made = repo.make(model, "predict", "DETACH=1", f"PORT={free_port()}")
    made.failed("none of its routes serves")
    assert "corrupt, sha256" in made.err
    shutil.copy(other.binary, model.binary)
    shutil.copy(other.record, model.record)
    made = repo.make(model, "predict", "DETACH=1", f"PORT={free_port()}")
    made.failed("none of its routes serves")
    assert "its record says it is 'other_model'" in made.err
    shutil.rmtree(other.path)


@pytest.mark.slow
def test_an_answer_that_is_not_good_fails_test_endpoint(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train").succeeded()
    model.replace("predict.py", 'return {"predictions": [', 'return {"predictions": [0 for row in []] and [')
    with repo.serving(model) as port:
        repo.make(model, "test-endpoint", f"PORT={port}").failed("0 predictions for 2 instances")


def test_nobody_serves(repo: Monorepo, model: Model) -> None:
    repo.make(model, "test-endpoint", f"PORT={free_port()}").failed("Connection refused", "make predict")


@pytest.mark.slow
def test_a_server_that_does_not_get_ready(repo: Monorepo, model: Model) -> None:
    model.replace(
        "predict.py", "MODEL =", "import glob, time\nif glob.glob('models/*.pkl'):\n    time.sleep(60)\nMODEL ="
    )
    repo.make(model, "train").succeeded()
    made = repo.make(model, "predict", "DETACH=1", "READY_TIMEOUT=2", "STOP_TIMEOUT=1", f"PORT={free_port()}")
    made.failed("not ready in 2 s", "READY_TIMEOUT")


@pytest.mark.slow
def test_an_engine_that_does_not_exist_or_answer(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train", "ENGINE=rocket").failed("ENGINE=rocket (command line)", "docker, podman, process")
    # A docker client without an engine behind it.
    made = repo.make(model, "train", "ENGINE=docker", DOCKER_HOST="unix:///nonexistent.sock")
    made.failed("docker is not installed, or does not answer", "process")


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("PORT=http", "PORT=http: not a whole number"),
        ("DETACH=maybe", "DETACH=maybe: not a switch"),
        ("BUILDER=magic", "BUILDER=magic"),
    ],
)
def test_settings_of_the_wrong_kind(repo: Monorepo, model: Model, setting: str, part: str) -> None:
    verb = "show" if "BUILDER" in setting else "predict"
    repo.make(model, verb, setting).failed(part)


def test_a_misspelt_variable(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train", "DATASET=data/numbers.csv").failed("unknown variable DATASET on the command line")
    model.replace("Makefile", "CONTAINER_NAME", "CONTAINR_NAME")
    repo.make(model, "train").failed(f"{model.path}/Makefile: unknown variable CONTAINR_NAME")


def test_a_variable_that_is_missing_or_no_name(repo: Monorepo, model: Model) -> None:
    model.replace("Makefile", f"CONTAINER_NAME := {model.container}", "CONTAINER_NAME := My Container")
    repo.make(model, "build-train").failed(f"{model.path}/Makefile:3", "'My Container' cannot be a name")
    model.replace("Makefile", "CONTAINER_NAME := My Container\n", "")
    repo.make(model, "build-train").failed(f"{model.path}/Makefile: CONTAINER_NAME is missing")


def test_a_model_directory_with_a_space(repo: Monorepo) -> None:
    model = repo.add_model("spaced", "space")
    path = model.path.rename(model.path.with_name("spa ced"))
    try:
        repo.make(path, "build-predict").failed(str(path), "'spa ced' cannot be a Python package", "rename it")
    finally:
        shutil.rmtree(path.parent)


@pytest.mark.slow
def test_a_monorepo_in_a_folder_with_a_space(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "my clone")
    model = repo.add_model("inside")
    repo.make(model, "build-train").succeeded()
    repo.make(model, "train").succeeded()
    with repo.serving(model) as port:
        repo.make(model, "test-endpoint", f"PORT={port}").succeeded()
    assert "inside" in repo.make(None, "list").succeeded().out


def test_no_such_model(repo: Monorepo) -> None:
    repo.make(None, "train", "MODEL=sums/absent").failed("MODEL=sums/absent: no such model")
    repo.make(None, "train").failed("which model?", "MODEL=<project>/<model>")


@pytest.mark.slow
def test_every_leaf_verb_from_the_top(repo: Monorepo, model: Model) -> None:
    name = f"MODEL=sums/{model.name}"
    repo.make(None, "train", name, 'PAYLOAD={"factor": 5}').succeeded()
    assert json.loads(model.record.read_text())["payload"]["factor"] == 5
    assert "command line" in repo.make(None, "show", name, "PORT=5999").succeeded().out


@pytest.mark.slow
def test_a_full_disk(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    """A small file system for models/ where root can mount one; else a limit on the size of files."""
    model.replace("train.py", '"rows": len(rows)}, file', '"rows": len(rows), "ballast": os.urandom(4 << 20)}, file')
    model.replace("train.py", "import pathlib", "import os\nimport pathlib")
    repo.make(model, "build-train").succeeded()
    folder = model.path.parent / "models"
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small file system")
    try:
        repo.make(model, "train").failed(f"{folder}: No space left on device", "make room")
        assert [path.name for path in folder.iterdir()] == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_build_on_a_full_disk(model: Model, repo: Monorepo, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True, check=False
    ).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        (small / "state").mkdir()
        other = Monorepo(tmp_path / "clone", resolved=False)
        (other.path / ".trainyard").symlink_to(small / "state")
        another = other.add_model("big")
        made = other.make(another, "build-predict")
        made.failed("space")
        assert not list(small.glob("state/process/images/*/image.json"))
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.slow
def test_a_killed_training_keeps_the_old_binary(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train").succeeded()
    before, record = model.binary.read_bytes(), model.record.read_bytes()
    model.replace(
        "train.py",
        '    return {"rows"',
        '    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n    return {"rows"',
    )
    repo.make(model, "build-train").succeeded()
    repo.make(model, "train").failed("was ended")
    assert (model.binary.read_bytes(), model.record.read_bytes()) == (before, record)
