"""What somebody found who tried to break things."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, free_port

pytestmark = pytest.mark.slow  # the walk shows the same verbs, on models as they should be


@pytest.mark.parametrize("variable", ["MODEL_NAME", "CONTAINER_NAME"])
def test_a_name_that_another_model_has(repo: Monorepo, model: Model, variable: str) -> None:
    other = repo.add_model("copied")
    try:
        mine = {"MODEL_NAME": model.name, "CONTAINER_NAME": model.container}[variable]
        other.replace(
            "Makefile", {"MODEL_NAME": ":= copied", "CONTAINER_NAME": f":= {other.container}"}[variable], f":= {mine}"
        )
        made = repo.make(other, "build-train")
        made.failed(f"two directories have the {variable} '{mine}'", f"{other.path}/Makefile", f"{model.path}/Makefile")
        repo.make(other, "train").failed("two directories have")
    finally:
        shutil.rmtree(other.path)


@pytest.mark.slow
def test_a_payload_reaches_the_model_as_it_was_typed(repo: Monorepo, model: Model) -> None:
    """`$ref` is no make variable, `$(...)` no make function."""
    (model.path.parent / "data" / "other.csv").write_text("a\n1\n")
    payload = '{"$ref": "data/other.csv", "note": "$(shell false) $$ \'x\' ü"}'
    for where, extra in ((model, []), (None, [f"MODEL=sums/{model.name}"])):
        repo.make(where, "train", *extra, f"PAYLOAD={payload}").succeeded()
        recorded = json.loads(model.record.read_text())["payload"]
        assert {key: recorded[key] for key in ("$ref", "note")} == json.loads(payload)


def test_a_training_that_writes_nothing_fails(repo: Monorepo, model: Model) -> None:
    model.replace("train.py", 'open(f"models/{name}.pkl", "wb")', 'open("/dev/null", "wb")')
    repo.make(model, "train").failed(f"wrote no models/{model.name}.pkl")


@pytest.mark.slow
def test_sources_that_are_newer_than_the_image(repo: Monorepo, model: Model) -> None:
    assert "have changed" not in repo.make(model, "train").succeeded().err
    assert "have changed" not in repo.make(model, "train").succeeded().err
    model.replace("train.py", "rows = ", "rows  = ")
    assert "have changed since" in repo.make(model, "train").succeeded().err


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["-n", "-q"])
def test_asking_make_what_it_would_do_does_nothing(repo: Monorepo, model: Model, verb: str) -> None:
    folder = (
        repo.add_all()
        if not (repo.path / "projects" / "sums" / "all").exists()
        else repo.path / "projects" / "sums" / "all"
    )
    before = sorted(path for path in repo.path.rglob("*") if ".venv" not in path.parts and path.suffix != ".lock")
    for name in ("lock", "build-train", "train", "build-predict", "predict", "test-endpoint", "logs", "stop", "clean"):
        repo.make(model, verb, name)
    for name in ("create-routes", "predict-all", "build-image", "clean"):
        repo.make(folder, verb, name)
    after = sorted(path for path in repo.path.rglob("*") if ".venv" not in path.parts and path.suffix != ".lock")
    assert after == before, set(after) ^ set(before)


@pytest.mark.slow
@pytest.mark.parametrize(("port", "part"), [("0", "PORT=0: not a port"), ("70000", "PORT=70000: not a port")])
def test_ports_that_are_none(repo: Monorepo, model: Model, port: str, part: str) -> None:
    repo.make(model, "predict", f"PORT={port}").failed(part)


def test_an_address_of_another_machine(repo: Monorepo, model: Model) -> None:
    repo.make(model, "predict", "BIND=192.0.2.1").failed("BIND=192.0.2.1", "address")


@pytest.mark.parametrize("file", ["requirements_predict.txt", "Makefile", "requirements_train.txt"])
def test_text_files_that_are_not_utf8(repo: Monorepo, model: Model, file: str) -> None:
    with (model.path / file).open("ab") as opened:
        opened.write("# gr\u00fc\u00dfe\n".encode("latin-1"))
    verb = "build-train" if "train" in file else "build-predict"
    repo.make(model, verb).failed(f"{model.path / file}: not UTF-8 text", "save it as UTF-8")


@pytest.mark.slow
def test_a_server_that_runs_already(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train").succeeded()
    with repo.serving(model) as port:
        made = repo.make(model, "predict", "DETACH=1", f"PORT={free_port()}")
        made.failed(f"runs already, on port {port}", "make stop")
        repo.make(model, "test-endpoint", f"PORT={port}").succeeded()


@pytest.mark.slow
def test_state_that_is_garbage(repo: Monorepo, model: Model) -> None:
    repo.make(model, "train").succeeded()
    state = repo.path / ".trainyard" / "process"
    image = next(state.glob(f"images/{model.container}-train/image.json"))
    for garbage in ("[]", "{}", "", "{"):
        image.write_text(garbage)
        repo.make(model, "train").succeeded()  # built again
    broken = state / "containers" / "broken"
    broken.mkdir(parents=True, exist_ok=True)
    (broken / "container.json").write_text("[1]")
    repo.make(None, "list").succeeded()
    repo.make(None, "stop").succeeded()


@pytest.mark.slow
def test_a_monorepo_that_was_moved(tmp_path: Path) -> None:
    first = Monorepo(tmp_path / "first")
    model = first.add_model("one")
    first.make(model, "train").succeeded()
    (tmp_path / "first").rename(tmp_path / "second")
    (tmp_path / "second" / "projects" / "sums" / "models" / "one.pkl").unlink()
    second = tmp_path / "second" / "projects" / "sums" / "one"
    first.make(second, "train").succeeded()
    assert (second.parent / "models" / "one.pkl").exists()
