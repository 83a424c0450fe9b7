"""make rename and make remove: all that belongs to a model, and nothing of another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pexpect
import pytest
from monorepo import Model, Monorepo, free_port

from trainyard.host.operations.session import Session, open_session
from trainyard.host.scaffold.model_places import Place
from trainyard.host.scaffold.moving.plans import carry_out
from trainyard.host.scaffold.moving.renaming import rename_plan
from trainyard.host.support.reporter import Recording

TRAIN = """
from trainyard.models.binaries import save_model


def train(msg):
    save_model({"factor": 2}, msg["payload"]["model_name"], metrics={"loss": 0.5})
    return {}
"""
PREDICT = """
from trainyard.models.binaries import load_model, served_model_name


def predict_linear(msg):
    model = load_model(served_model_name("linear"))
    return {"predictions": [model["factor"] * sum(row) for row in msg["payload"]["instances"]]}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    """A trained model beside one whose name begins alike, in an all/, in dvc.yaml and in docs."""
    repo = Monorepo(tmp_path_factory.mktemp("made") / "repo")
    model, other = repo.add_model("linear", "rents"), repo.add_model("linear_2", "rents")
    (model.path / "train.py").write_text(TRAIN)
    (model.path / "predict.py").write_text(PREDICT)
    for name in ("requirements_train.txt", "requirements_predict.txt"):
        (model.path / name).write_text("joblib\n")
    (model.path / "exp_config.json").write_text('{\n  "MODEL": "rents/linear"\n}\n')
    (other.path / "helper.py").write_text("from rents.linear import train\n")
    (repo.path / "notes.md").write_text("Call make train MODEL=rents/linear.\n")
    repo.add_all("rents", "linear linear_2")
    repo.make(None, "dvc").succeeded()
    for one in (model, other):
        repo.make(one, "train").succeeded()
    return repo


@pytest.fixture
def repo(made: Monorepo, tmp_path: Path) -> Monorepo:
    """Of its own."""
    copy = Monorepo.__new__(Monorepo)
    copy.__dict__ |= made.__dict__ | {"path": tmp_path / "repo"}
    shutil.copytree(made.path, copy.path, symlinks=True)
    return copy


def listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_renamed_model_serves_what_it_was_trained_as(repo: Monorepo) -> None:
    project = repo.path / "projects" / "rents"
    (repo.path / ".trainyard" / "packages" / "rents" / "linear").mkdir(parents=True)
    (project / "linear" / "config.yaml").write_text("training: {results: 'lake:rents/linear/results'}\n")
    shown = repo.make(None, "rename", "MODEL=rents/linear", "TO=rents/ridge", "-n").succeeded()
    assert "its packages stay in .trainyard/packages/rents/linear" in shown.out
    assert "names it still: projects/rents/linear/config.yaml:1: " in shown.out
    (project / "linear" / "config.yaml").unlink()
    assert "-ROUTES=linear/predict:rents.linear.predict" in shown.out and (project / "linear").is_dir()
    made = repo.make(None, "rename", "MODEL=rents/linear", "TO=rents/ridge").succeeded()
    assert "names it still: notes.md:1: " in made.out
    assert "names it still: projects/rents/linear_2/helper.py:1: from rents.linear import train" in made.out
    assert "routes stay, as clients call them: linear/predict" in made.out
    assert not (project / "linear").exists()
    assert {"ridge.json", "ridge.pkl", "linear_2.json", "linear_2.pkl"} <= {*listed(project / "models")}
    assert not [name for name in listed(project / "models") if name.startswith("linear.")]
    assert "MODEL_DIRS := ridge linear_2" in (project / "all" / "Makefile").read_text()
    assert '"MODEL": "rents/ridge"' in (project / "ridge" / "exp_config.json").read_text()
    stages = (project / "dvc.yaml").read_text()
    assert "ridge:" in stages and "models/ridge.pkl" in stages and "linear:" not in stages
    assert {*json.loads((project / "training_metrics.json").read_text())} == {"ridge", "linear_2"}
    assert "rents/ridge" in repo.make(None, "runs").succeeded().out
    with repo.serving(project / "ridge") as port:  # the binary holds the name "linear"
        answer = repo.make(project / "ridge", "test-endpoint", f"PORT={port}").succeeded()
        assert "14" in answer.out
        using = repo.make(None, "remove", "MODEL=rents/ridge", "FORCE=1")
        using.failed("rents/ridge is in use", "make stop MODEL=rents/ridge")
    moved = repo.make(None, "rename", "MODEL=rents/ridge", "TO=houses/small").succeeded()
    assert "put the data there: projects/rents/data/numbers.csv -> projects/houses/data/numbers.csv" in moved.out
    assert listed(repo.path / "projects" / "houses" / "models") == ["small.json", "small.pkl"]
    assert json.loads((project.parent / "houses/models/small.json").read_text())["formerly"] == ["linear", "ridge"]
    assert "MODEL_DIRS := linear_2" in (project / "all" / "Makefile").read_text()
    assert "houses/small" in repo.make(None, "runs").succeeded().out
    repo.make(None, "check", "MODEL=houses/small").succeeded()
    repo.make(None, "rename", "MODEL=houses/small", "TO=Towns/Small").succeeded()
    repo.make(None, "check", "MODEL=Towns/Small").succeeded()  # no image can be called Towns


def test_a_removed_model_leaves_nothing_but_the_data(repo: Monorepo) -> None:
    project = repo.path / "projects" / "rents"
    before = {name for name in listed(project) if "linear_2" in name or name.startswith("data/")}
    asked = repo.make(None, "remove", "MODEL=rents/linear")
    asked.failed("nothing is removed", "FORCE=1")
    assert "projects/rents/models/linear.pkl" in asked.out
    shown = repo.make(None, "remove", "MODEL=rents/linear", "-n").succeeded()
    assert "edit" in shown.out and (project / "linear" / "train.py").is_file()
    repo.make(None, "remove", "MODEL=rents/linear", "FORCE=1").succeeded()
    after = listed(project)
    assert before <= {*after}
    assert not [name for name in after if "linear" in name and "linear_2" not in name], after
    assert "linear:" not in (project / "dvc.yaml").read_text()
    assert "MODEL_DIRS := linear_2" in (project / "all" / "Makefile").read_text()
    images = {path.name for path in repo.path.glob(".trainyard/process/images/*")}
    assert images == {repo.container("rents-linear-2-train")}
    assert not [*repo.path.glob(".trainyard/removed/*")]
    last = repo.make(None, "remove", "MODEL=rents/linear_2", "FORCE=1").succeeded()
    assert "edit projects/rents/all/Makefile: MODEL_DIRS names nothing else" in last.out
    assert not (project / "dvc.yaml").exists() and (project / "data" / "numbers.csv").is_file()
    repo.make(None, "remove", "MODEL=rents/linear", "FORCE=1").failed("no such model")


@pytest.mark.slow
def test_a_terminal_is_asked(repo: Monorepo) -> None:
    for answer, verb in (("n", "remove"), ("n", "rename"), ("", "remove"), ("y", "rename")):
        to = ["TO=rents/ridge"] if verb == "rename" else []
        child = pexpect.spawn(
            "make", ["--no-print-directory", verb, "MODEL=rents/linear", *to], cwd=repo.path,
            env=repo.environment(), timeout=60,
        )  # fmt: skip
        child.expect(r"\[y/N\]: ")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert (child.exitstatus == 0) == (answer == "y"), child.before
    assert (repo.path / "projects/rents/ridge").is_dir() and not (repo.path / "projects/rents/linear").exists()


def session_of(repo: Monorepo) -> Session:
    return open_session(repo.path, Recording())


OLD, NEW = Place("rents", "linear"), Place("houses", "ridge")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["rename", "MODEL=rents/linear"], ["TO is missing"]),
        (["rename", "MODEL=rents/linear", "TO=rents/linear"], ["that is its name already"]),
        (["rename", "MODEL=rents/linear", "TO=rents/linear_2"], ["linear_2: there already"]),
        (["rename", "MODEL=rents/linear", "TO=../x"], ["TO"]),
        (["rename", "MODEL=rents/linear", "TO=rents/a b"], ["TO=a b cannot name a Python package"]),
        (["rename", "MODEL=rents/linear", "TO=json/x"], ["Python's own library"]),
        (["rename", "MODEL=rents/linear", "TO=Rents/x"], ["TO=Rents: there is a project rents"]),
        (["rename", "MODEL=rents/nobody", "TO=rents/x"], ["no such model", "rents/linear"]),
        (["remove", "MODEL=../..", "FORCE=1"], ["not a model"]),
        (["remove", "MODEL=rents/all", "FORCE=1"], ["all/ merges models"]),
        (["remove", "FORCE=1"], ["which model?"]),
    ],
)
def test_what_cannot_be_done_changes_nothing(repo: Monorepo, arguments: list[str], parts: list[str]) -> None:
    before = listed(repo.path / "projects")
    repo.make(None, *arguments).failed(*parts)
    assert listed(repo.path / "projects") == before


def test_what_is_in_the_way_of_the_binary_stays(repo: Monorepo) -> None:
    stray = repo.path / "projects" / "rents" / "models" / "ridge.pkl"
    stray.write_bytes(b"somebody's")
    repo.make(None, "rename", "MODEL=rents/linear", "TO=rents/ridge").failed("models/ridge.pkl is there already")
    assert stray.read_bytes() == b"somebody's" and (repo.path / "projects/rents/linear").is_dir()


@pytest.mark.slow
def test_a_tracker_that_does_not_answer_is_named_and_the_rest_is_done(repo: Monorepo) -> None:
    made = repo.make(None, "remove", "MODEL=rents/linear", "FORCE=1", f"TRACKING_URI=http://127.0.0.1:{free_port()}")
    made.failed("the registered model rents.linear is not removed", "cannot be reached")
    assert not (repo.path / "projects" / "rents" / "linear").exists()


def test_a_half_broken_model_can_be_removed(repo: Monorepo) -> None:
    model = Model(repo.path / "projects" / "rents" / "linear", "rents", "linear", "")
    model.replace("Makefile", "CONTAINER_NAME", "# CONTAINER_NAME")
    shutil.rmtree(model.path / ".s2i")
    made = repo.make(None, "remove", "MODEL=rents/linear", "FORCE=1").succeeded()
    assert "no usable CONTAINER_NAME" in made.out and not model.path.exists()


def test_files_that_two_models_claim_stay(repo: Monorepo) -> None:
    twin = repo.add_model("twin", "rents")
    twin.replace("Makefile", "MODEL_NAME     := twin", "MODEL_NAME     := linear")
    made = repo.make(None, "remove", "MODEL=rents/twin", "FORCE=1").succeeded()
    assert "projects/rents/linear has the MODEL_NAME linear, too" in made.out and not twin.path.exists()
    assert {"linear.pkl", "linear.json"} <= {*listed(repo.path / "projects/rents/models")}


def test_the_program_takes_a_folder_and_options(repo: Monorepo) -> None:
    command = [str(repo.path / ".venv/bin/python"), "-P", "-m", "trainyard"]
    env = repo.environment(PYTHONPATH=str(Path(__file__).parents[2]))
    given = [*command, "rename", "projects/rents/linear", "--to", "rents/ridge"]
    subprocess.run(given, cwd=repo.path, env=env, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    given = [*command, "remove", "--model", "rents/ridge", "--force"]
    subprocess.run(given, cwd=repo.path, env=env, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert not (repo.path / "projects/rents/ridge").exists()


@pytest.mark.slow
def test_a_rename_that_was_killed_goes_on_where_it_ended(
    made: Monorepo, repo: Monorepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of its steps; but for nightly after some of them."""
    monkeypatch.setenv("ENGINE", "process")
    shutil.rmtree(made.path / ".trainyard" / "process")  # images take time to copy; no test follows that needs one
    steps = len(rename_plan(session_of(made), OLD, NEW).steps)
    assert steps > 8
    results = []
    moments = range(steps + 1) if os.environ.get("NIGHTLY") else (1, steps // 2, steps - 1, steps)
    for killed_after in moments:
        shutil.rmtree(repo.path)
        shutil.copytree(made.path, repo.path, symlinks=True)
        if killed_after < steps:
            for step in rename_plan(session_of(repo), OLD, NEW).steps[:killed_after]:
                step.do()
            if killed_after > 0:
                with pytest.raises(Exception, match="did not end"):
                    rename_plan(session_of(repo), OLD, Place("houses", "other"))
        session = session_of(repo)
        carry_out(rename_plan(session, OLD, NEW), session.reporter, "again")
        projects = repo.path / "projects"
        results.append({name: (projects / name).read_bytes() for name in listed(projects)})
        assert not [*(repo.path / ".trainyard" / "renames").iterdir()]
    assert all(result == results[-1] for result in results)
    assert "houses/ridge/train.py" in results[0] and "rents/linear/train.py" not in results[0]
