"""make configure and make prepare against a data store that is a folder."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pickle
import threading
import zipfile
from pathlib import Path

import pexpect
import pytest
from monorepo import Model, Monorepo


def test_configure_writes_what_is_missing_and_keeps_the_rest(repo: Monorepo, lake: Path, model: Model) -> None:
    config = model.path / "config.yaml"
    before = "# of the team\nparams:\n  factor: 3  # as agreed\n\ntraining:\n  # ours\n  framework: own  # by hand\n"
    config.write_text(f"{before}\npromotion: {{metric: loss}}\n")
    made = repo.make(model, "-n", "configure").succeeded()
    assert f"data: lake:{model.project}/{model.name}/training-data" in made.out
    assert config.read_text() == f"{before}\npromotion: {{metric: loss}}\n"
    repo.make(model, "configure", "KEY_PREFIX=raw/").succeeded()
    place = f"lake:{model.project}/{model.name}"
    assert config.read_text() == (
        f"{before}  data: {place}/training-data\n  key_prefix: raw\n"
        f"  results: {place}/results\n  serialization: pickle\n\npromotion: {{metric: loss}}\n"
    )
    again = repo.make(model, "configure").succeeded()
    assert "has all of training: already" in again.err
    repo.make(model, "configure", "TO=lake:elsewhere").succeeded()
    assert "  results: lake:elsewhere\n" in config.read_text()


@pytest.mark.slow
def test_configure_without_what_it_needs(repo: Monorepo, lake: Path, model: Model) -> None:
    stores = repo.path / "datastores.yaml"
    stores.write_text(stores.read_text() + "pond:\n  url: s3://pond\n  credentials: {variables: POND_}\n")
    repo.make(model, "configure").failed("FROM and TO are not given", "STORE=<one of lake, pond>")
    repo.make(model, "configure", "FROM=lake:a").failed(": TO is not given", "TO=<store>:<prefix>")
    repo.make(model, "configure", "STORE=sea").failed("no data store sea")
    repo.make(model, "configure", "FROM=lake:../up", "TO=lake:x").failed("lake:../up", "leads out of the data store")
    assert not (model.path / "config.yaml").exists()
    made = repo.make(model, "configure", "STORE=pond", POND_AWS_ACCESS_KEY_ID="the-key-itself").succeeded()
    assert "pond: POND_AWS_ACCESS_KEY_ID is set\npond: POND_AWS_SECRET_ACCESS_KEY has to be set\n" in made.out
    assert "the-key-itself" not in made.out + made.err
    stores.unlink()
    repo.make(model, "configure", "FROM=lake:a").failed("no data store", "make datastore-add")
    (model.path / "config.yaml").unlink()
    repo.make(model, "configure").failed("no data store yet", "make datastore-add")


@pytest.mark.slow
def test_configure_with_values_that_are_wrong_or_do_nothing(repo: Monorepo, lake: Path, model: Model) -> None:
    stores = repo.path / "datastores.yaml"
    stores.write_text(stores.read_text() + "pond:\n  url: pond\n  credentials: none\n")
    repo.make(model, "configure", "FROM=lake").failed(
        "FROM=lake: not a place of a data store", "<store>:<prefix>: there are lake, pond"
    )
    made = repo.make(model, "configure", "STORE=lake", "FRAMEWORK=foo").succeeded()
    assert "warning: FRAMEWORK=foo is none of catboost, " in made.err
    assert "Next: commit that, " in made.err
    made = repo.make(model, "configure", "STORE=lake").succeeded()
    assert f"Next: make prepare MODEL={model.project}/{model.name}" in made.err
    repo.make(model, "configure", "STORE=pond").failed("STORE=pond changes nothing: data is lake:", "FROM=pond:")


@pytest.mark.slow
def test_configure_keeps_a_pipeline_up_to_date(repo: Monorepo, lake: Path, model: Model) -> None:
    """Training warned of it afterwards."""
    repo.make(None, "dvc").succeeded()
    path = model.path.parent / "dvc.yaml"
    before = path.read_text()
    shown = repo.make(model, "-n", "configure").succeeded().out
    assert f"keep {path.relative_to(repo.path)} up to date" in shown
    assert path.read_text() == before
    assert "as make dvc does" in repo.make(model, "configure").succeeded().err
    assert "wrote" not in repo.make(None, "dvc").succeeded().out
    (model.path / "more.py").write_text("")  # what is not from configure is left to make dvc
    before = path.read_text()
    repo.make(model, "configure", "TO=lake:other").succeeded()
    assert path.read_text() == before


@pytest.mark.slow
def test_configure_asks_on_a_terminal(repo: Monorepo, lake: Path, model: Model) -> None:
    session = pexpect.spawn(
        "make", ["--no-print-directory", "configure"], cwd=str(model.path), env=repo.environment(), encoding="utf-8",
        timeout=60,
    )  # fmt: skip
    session.expect_exact("Data store")
    session.sendline("nope")
    session.expect("no data store nope")
    answers = {"Data store": "", "Training data ": "pond:x", "Training data key prefix": "", "Results": "lake:out"}
    for question, answer in answers.items():
        session.expect_exact(question)
        session.sendline(answer)
        if answer == "pond:x":
            session.expect("no data store pond")
            session.sendline("lake:in")
    for question in ("Framework", "Serialization"):
        session.expect_exact(question)
        session.sendline("")
    session.expect(pexpect.EOF)
    text = (model.path / "config.yaml").read_text()
    assert "data: lake:in\n" in text
    assert "results: lake:out\n" in text


def test_prepare_makes_uploads_once_and_packs(repo: Monorepo, lake: Path, configured: Model) -> None:
    repo.make(configured, "prepare").failed(f"{lake} is not there", "YES=1 makes it")
    assert not lake.exists()
    shown = repo.make(configured, "-n", "prepare").succeeded().out
    for part in (f"make {lake}", "push projects/", f"{configured.name}-training-code.zip"):
        assert part in shown
    assert not lake.exists()
    made = repo.make(configured, "prepare", "YES=1").succeeded()
    data = lake / configured.name / "data"
    assert sorted(path.name for path in data.iterdir()) == ["numbers.csv", "of a year.csv"]
    archive = next((repo.path / ".trainyard" / "packages").rglob(f"{configured.name}-training-code.zip"))
    first = archive.read_bytes()
    with zipfile.ZipFile(archive) as found:
        names = found.namelist()
        assert not [name for name in names if str(repo.path).encode() in found.read(name)]
    package = f"{configured.project}/{configured.name}"
    assert {".s2i/environment", f"{package}/train.py", "requirements.lock"} <= set(names)
    assert not [name for name in names if "sample_training_data" in name]
    assert all(name in made.out for name in names)
    (data / "numbers.csv").write_text("a,b\n9,9\n")
    os.utime(configured.path / "train.py")
    (configured.path / "train.py").chmod(0o600)
    made = repo.make(configured, "prepare").succeeded()
    assert "has data already: the sample data stays here" in made.err
    assert (data / "numbers.csv").read_text() == "a,b\n9,9\n"
    assert archive.read_bytes() == first
    configured.replace("train.py", "factor", "times")
    repo.make(configured, "prepare").succeeded()
    assert archive.read_bytes() != first


def test_prepare_says_all_that_is_wrong_at_once(repo: Monorepo, lake: Path, configured: Model) -> None:
    (repo.path / "datastores.yaml").write_text("lake:\n  url: https://127.0.0.1:9/x\n")
    (configured.path / "requirements_train.txt").write_text("-e ../nowhere\n")
    config = configured.path / "config.yaml"
    config.write_text("training:\n  data: lake:x\n  results: pond:y\n")
    made = repo.make(configured, "prepare", DATA_RETRIES="0")
    assert made.status != 0
    for part in (
        "Connection refused",
        "no data store pond",
        "requirements_train.txt:1",
        "3 things stand in the way",
    ):
        assert part in made.err, made.err
    assert "Traceback" not in made.err
    config.write_text("params: {}\n")
    (configured.path / "requirements_train.txt").write_text("")
    repo.make(configured, "prepare").failed("training.data and training.results is missing", "make configure")


@pytest.mark.slow
def test_prepare_without_sample_data(repo: Monorepo, lake: Path, configured: Model) -> None:
    lake.mkdir()
    sample = configured.path / "sample_training_data"
    (sample / "data" / "numbers.csv").rename(sample / "data" / "others.csv")
    repo.make(configured, "prepare").failed("numbers.csv", "the sample data has no such file")
    sample.rename(configured.path.parent / "sample_training_data")  # of the project, then
    (configured.path.parent / "sample_training_data/data/numbers.csv").write_text("a,b\n")
    repo.make(configured, "prepare").succeeded()
    (lake / configured.name / "data" / "numbers.csv").unlink()
    repo.make(configured, "prepare").failed("has no numbers.csv", "DATASET_NAME is data/numbers.csv")


@pytest.mark.slow
def test_an_upload_that_was_broken_off_goes_on(repo: Monorepo, lake: Path, configured: Model) -> None:
    data = lake / configured.name / "data"
    data.mkdir(parents=True)
    (data / ".trainyard-pushing").write_text("")
    (data / "of a year.csv").write_text("a,b\n")
    repo.make(configured, "prepare").succeeded()
    assert sorted(path.name for path in data.iterdir()) == ["numbers.csv", "of a year.csv"]
    (data / ".trainyard-pushing").write_text("")
    (data / "somebody's.csv").write_text("")
    repo.make(configured, "prepare").failed("a push of it goes on")


@pytest.mark.parametrize("prefix", [pytest.param("", marks=pytest.mark.slow), "raw/2026"])
def test_training_sees_the_files_by_their_paths(repo: Monorepo, lake: Path, configured: Model, prefix: str) -> None:
    if prefix:
        configured.replace("config.yaml", "training:\n", f"training:\n  key_prefix: {prefix}/\n")
        configured.replace("Makefile", "data/numbers.csv", f"data/{prefix}/numbers.csv")
    repo.make(configured, "train").failed("training.data", "make prepare")
    repo.make(configured, "prepare", "YES=1").succeeded()
    repo.make(configured, "train").succeeded()
    run = json.loads(next(configured.path.parent.glob("runs/*/run.json")).read_text())
    expected = f"data/{prefix}/numbers.csv".replace("//", "/")
    assert run["tags"]["dataset"] == f"lake:{configured.name}/data"
    assert run["tags"]["dataset_name"] == expected
    assert json.loads(configured.record.read_text())["dataset"] == expected
    assert pickle.loads(configured.binary.read_bytes())["rows"] == 3
    # The command line wins.
    (configured.path.parent / "data" / "own.csv").write_text("a,b\n1,2\n")
    repo.make(configured, "train", "DATASET_NAME=data/own.csv").succeeded()
    assert pickle.loads(configured.binary.read_bytes())["rows"] == 1
    repo.make(configured, "train", 'PAYLOAD={"$ref": "data/own.csv"}').succeeded()
    assert pickle.loads(configured.binary.read_bytes())["rows"] == 1
    assert repo.make(configured, "-n", "train").succeeded().out.count("would") <= 4


@pytest.mark.slow
def test_a_dataset_that_the_place_does_not_have(repo: Monorepo, lake: Path, configured: Model) -> None:
    repo.make(configured, "prepare", "YES=1").succeeded()
    configured.replace("Makefile", "numbers.csv", "letters.csv")
    repo.make(configured, "train").failed("has no letters.csv", "make data-list STORE=lake")
    configured.replace("Makefile", "letters.csv", "of*.csv")
    configured.replace("train.py", "$ref", "$ref")
    repo.make(configured, "train").succeeded()
    assert json.loads(configured.record.read_text())["dataset"] == "data/of a year.csv"


@pytest.mark.slow
def test_tuning_sees_them_too(repo: Monorepo, lake: Path, configured: Model) -> None:
    configured.replace("train.py", 'payload.get("factor", 2)', 'payload["params"]["x"]')
    record = 'pathlib.Path(f"models/{name}.json").write_text(\'{"metrics": {"loss": %d}}\' % len(rows))'
    configured.replace("train.py", "    return {", f"    {record}\n    return {{")
    with (configured.path / "config.yaml").open("a") as file:
        file.write("tuning: {metric: loss, hyperparams: {x: {default_value: 1, tuning: "
                   "{param_type: choice, values: [1, 2]}}}}\n")  # fmt: skip
    repo.make(configured, "prepare", "YES=1").succeeded()
    repo.make(configured, "tune", "TRIALS=2", "WORKERS=1").succeeded()
    assert json.loads(configured.record.read_text())["metrics"] == {"loss": 3}


@pytest.mark.slow
def test_a_store_that_is_only_read(repo: Monorepo, configured: Model, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stores = f"lake: {{url: 'http://127.0.0.1:{server.server_port}', credentials: none}}\n"
    (repo.path / "datastores.yaml").write_text(stores)
    try:
        made = repo.make(configured, "prepare", "YES=1")
        assert made.err.count("nothing can be written to http://") == 2, made.err
        repo.make(configured, "package").failed("nothing can be written to http://", "name another data store")
    finally:
        server.shutdown()
        server.server_close()
