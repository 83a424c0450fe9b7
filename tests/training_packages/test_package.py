"""make package: what it leaves, and what it does where it was broken off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest
from monorepo import Made, Model, Monorepo, ask
from needs import can_mount
from waiting import until

from trainyard.host.operations.session import open_session
from trainyard.host.support.reporter import Recording

SLOW_TRAIN = """
import os
import pathlib
import pickle
import time


def train(msg):
    name = msg["payload"]["model_name"]
    pathlib.Path(f"models/{name}-words").mkdir(exist_ok=True)
    pathlib.Path(f"models/{name}-words/of a page.txt").write_text("a b")
    pathlib.Path(f"models/{name}.pkl").write_bytes(pickle.dumps({"factor": 2}))
    pathlib.Path(f"models/{name}.noise").write_bytes(os.urandom(SIZE))
    print("trained for", PAUSE)
    time.sleep(PAUSE)
    return {}
"""


def write_train(model: Model, pause: float = 0, size: int = 10) -> None:
    (model.path / "train.py").write_text(SLOW_TRAIN.replace("PAUSE", str(pause)).replace("SIZE", str(size)))


def prepared(repo: Monorepo, model: Model, **train: float) -> Model:
    write_train(model, **train)
    repo.make(model, "prepare", "YES=1").succeeded()
    return model


def runs(model: Model) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(model.path.parent.glob("runs/*/run.json"))]


def folder(repo: Monorepo, model: Model) -> Path:
    return repo.path / ".trainyard" / "packages" / model.project / model.name


def content_of(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as found:
        return {one.name: found.extractfile(one).read() for one in found.getmembers()}


def check_package(archive: Path, model: Model) -> dict[str, object]:
    """Every file of the archive is what its manifest says."""
    content = content_of(archive)
    manifest = json.loads(content.pop("manifest.json"))
    assert {path: hashlib.sha256(data).hexdigest() for path, data in content.items()} == manifest["files"]
    name = model.name
    assert set(content) == {f"models/{name}{end}" for end in (".pkl", ".json", ".noise", "-words/of a page.txt")}
    return manifest


@pytest.mark.slow
def test_a_package(repo: Monorepo, lake: Path, configured: Model) -> None:
    prepared(repo, configured)
    shown = repo.make(configured, "-n", "package").succeeded().out
    assert f"push them to lake:{configured.name}/results/<run>" in shown
    assert not runs(configured)
    made = repo.make(configured, "package").succeeded()
    run = runs(configured)[0]
    archive = Path(made.out.strip().splitlines()[-1])
    manifest = check_package(archive, configured)
    assert manifest["run"] == run["id"]
    assert made.err.count("not there, so every clone may get other packages") == 1
    results = lake / configured.name / "results"
    latest = json.loads((results / "latest.json").read_text())
    there = results / latest["archive"]
    assert there.read_bytes() == archive.read_bytes()
    assert hashlib.sha256(there.read_bytes()).hexdigest() == latest["sha256"]
    assert sorted(path.name for path in there.parent.iterdir()) == [
        f"{configured.name}-trained.tar.gz", "manifest.json", "training-log.txt",
    ]  # fmt: skip
    assert "trained for 0" in (there.parent / "training-log.txt").read_text()
    # Again is another training; nothing of the first is overwritten.
    repo.make(configured, "package").succeeded()
    assert len(runs(configured)) == 2
    assert len([path for path in results.iterdir() if path.is_dir()]) == 2
    assert json.loads((results / "latest.json").read_text())["run"] == runs(configured)[1]["id"]


def test_the_engine_is_chosen_once(repo: Monorepo) -> None:
    """It was named twice."""
    session = open_session(repo.path, Recording())
    assert session.tagged({"a": "b"}).tags == {"a": "b"}
    assert session.tagged({}).engine is not session.engine  # it was not chosen yet
    assert session.tagged({}).engine is session.engine


def test_a_dry_run_shows_the_training(repo: Monorepo, lake: Path, configured: Model) -> None:
    """Of an image that is not built yet; it showed the script of a server."""
    shown = repo.make(configured, "-n", "package").succeeded().out
    assert "train/s2i/bin/run" in shown
    assert "daemon/s2i/bin/run" not in shown


@pytest.mark.slow
def test_equal_content_gives_equal_bytes(repo: Monorepo, lake: Path, configured: Model) -> None:
    prepared(repo, configured)
    repo.make(configured, "package").succeeded()
    archive = next(folder(repo, configured).glob("*/*.tar.gz"))
    before = archive.read_bytes()
    archive.unlink()
    made = repo.make(configured, "package").succeeded()
    assert "has trained on this already" in made.err
    assert archive.read_bytes() == before
    assert len(runs(configured)) == 1


@pytest.mark.slow
def test_without_a_section(repo: Monorepo, model: Model) -> None:
    write_train(model)
    (model.path.parent / "data" / "numbers.csv").write_text("a,b\n")
    made = repo.make(model, "package").succeeded()
    check_package(Path(made.out.strip().splitlines()[-1]), model)
    assert "make configure" in made.err
    with repo.serving(model, ASSETS="trained") as port:  # of this machine
        assert "trained assets, from .trainyard/packages/" in ask(port, "")[1]
    repo.make(None, "remove", f"MODEL={model.project}/{model.name}", "FORCE=1").succeeded()
    assert not folder(repo, model).exists()


@pytest.mark.slow
def test_results_that_cannot_be_put_away(repo: Monorepo, lake: Path, configured: Model) -> None:
    prepared(repo, configured)
    lake.rename(lake.with_name("moved"))
    repo.make(configured, "package").failed("is not there", "make prepare makes it")
    assert not runs(configured)
    lake.with_name("moved").rename(lake)
    results = lake / configured.name / "results"
    results.write_text("a file has this place")
    repo.make(configured, "package").failed("lake:", "results")
    assert [run["status"] for run in runs(configured)] == ["finished"]
    results.unlink()
    made = repo.make(configured, "package").succeeded()
    assert "has trained on this already" in made.err
    assert len(runs(configured)) == 1
    check_package(next(results.glob("*/*.tar.gz")), configured)


@pytest.mark.slow
def test_other_sources_train_again(repo: Monorepo, lake: Path, configured: Model) -> None:
    prepared(repo, configured)
    (lake / configured.name / "results").write_text("a file has this place")
    repo.make(configured, "package").failed("results")
    (lake / configured.name / "results").unlink()
    configured.replace("train.py", "trained for", "trained anew for")
    repo.make(configured, "package").succeeded()
    assert len(runs(configured)) == 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.slow
def test_ended_while_it_trains(repo: Monorepo, lake: Path, configured: Model, sent: signal.Signals) -> None:
    prepared(repo, configured, pause=60)
    process = repo.spawn(configured, "package")
    log = configured.path.parent / "runs"
    until(lambda: any("trained for" in path.read_text() for path in log.glob("*/log.txt")), 60)
    os.killpg(process.pid, sent)
    process.communicate(timeout=60)
    assert not list(folder(repo, configured).glob("*/*.tar.gz"))
    assert not (lake / configured.name / "results").exists()
    write_train(configured)
    repo.make(configured, "package").succeeded()
    check_package(next(folder(repo, configured).glob("*/*.tar.gz")), configured)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.slow
def test_ended_while_it_packs(repo: Monorepo, lake: Path, configured: Model, sent: signal.Signals) -> None:
    prepared(repo, configured, size=200_000_000)
    process = repo.spawn(configured, "package")
    until(lambda: list(folder(repo, configured).glob(".*.part/*.tar.gz")), 60)
    os.killpg(process.pid, sent)
    out, _ = process.communicate(timeout=60)
    assert "Traceback" not in out
    assert not list(folder(repo, configured).glob("[!.]*/*.tar.gz"))
    made = repo.make(configured, "package").succeeded()
    assert "has trained on this already" in made.err
    assert len(runs(configured)) == 1
    check_package(next((lake / configured.name / "results").glob("*/*.tar.gz")), configured)
    assert not list(folder(repo, configured).glob(".*.part"))


@pytest.mark.slow
def test_killed_while_it_uploads(repo: Monorepo, lake: Path, configured: Model) -> None:
    prepared(repo, configured, size=300_000_000)
    results = lake / configured.name / "results"
    process = repo.spawn(configured, "package")
    until(lambda: list(results.glob("*/*.part")), 60)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (results / "latest.json").exists()
    repo.make(configured, "build-predict", "ASSETS=trained").failed("no package yet")
    made = repo.make(configured, "package").succeeded()
    assert "has trained on this already" in made.err
    assert not list(results.rglob("*.part"))
    assert not list(results.rglob(".trainyard-pushing"))
    check_package(next(results.glob("*/*.tar.gz")), configured)


@pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")
@pytest.mark.slow
def test_a_full_disk(repo: Monorepo, lake: Path, configured: Model) -> None:
    prepared(repo, configured, size=3_000_000)
    place = folder(repo, configured)
    place.mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size=1m tmpfs "{place}" && exec make --no-print-directory package'
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], cwd=configured.path, env=repo.environment(), capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    Made(done.returncode, done.stdout, done.stderr).failed("No space left on device")
    made = repo.make(configured, "package").succeeded()
    assert "has trained on this already" in made.err
    check_package(next((lake / configured.name / "results").glob("*/*.tar.gz")), configured)


@pytest.mark.slow
def test_two_at_once_wait_for_each_other(repo: Monorepo, lake: Path, configured: Model) -> None:
    prepared(repo, configured, pause=2)
    both = [repo.spawn(configured, "package") for _ in range(2)]
    texts = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], texts
    assert sum("Waiting for another process" in text for text in texts) == 1
    assert len(list((lake / configured.name / "results").glob("*/*.tar.gz"))) == 2


@pytest.mark.slow
def test_files_that_are_declared_are_served_from_a_package(repo: Monorepo, lake: Path, configured: Model) -> None:
    """No pickle: a folder whose name is not the model's, with a space in it."""
    with (configured.path / ".s2i" / "environment").open("a") as file:
        file.write("MODEL_FILES=the words\n")
    folder = 'pathlib.Path("models/the words")'
    (configured.path / "train.py").write_text(
        f"import pathlib\n\n\ndef train(msg):\n    {folder}.mkdir(exist_ok=True)\n"
        f"    ({folder} / 'of a page.txt').write_text('7')\n    return {{}}\n"
    )
    configured.replace("predict.py", 'open(f"models/{MODEL}.pkl", "rb")', 'open("models/the words/of a page.txt")')
    configured.replace("predict.py", 'pickle.load(file)["factor"]', "int(file.read())")
    repo.make(configured, "prepare", "YES=1").succeeded()
    made = repo.make(configured, "package").succeeded()
    names = set(content_of(Path(made.out.strip().splitlines()[-1])))
    assert names == {"manifest.json", f"models/{configured.name}.json", "models/the words/of a page.txt"}
    shutil.rmtree(configured.path.parent / "models")
    with repo.serving(configured, ASSETS="trained") as port:
        body = b'{"payload": {"instances": [[1, 2]]}}'
        status, text = ask(port, f"{configured.name}/predict", body)
        assert (status, json.loads(text)["payload"]["predictions"]) == (200, [21])


@pytest.mark.slow
def test_a_package_can_be_reproduced(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    model = repo.add_model("first")
    data = model.path.parent / "data"
    shutil.move(data, tmp_path / "lake")
    data.mkdir()
    (repo.path / "datastores.yaml").write_text(f"lake: {{url: {tmp_path / 'lake'}, credentials: none}}\n")
    (model.path / "config.yaml").write_text("training: {data: 'lake:', key_prefix: raw}\n")
    model.replace("Makefile", "data/numbers.csv", "data/raw/numbers.csv")
    repo.make(model, "lock").succeeded()
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=repo.path, check=True)
    repo.make(model, "package").succeeded()
    run = str(runs(model)[0]["id"])
    assert "yes, if lake still has that version: make" in repo.make(model, "run-show").succeeded().out
    assert "binary sha256" in repo.make(model, "reproduce", f"ID={run}").succeeded().out
    (tmp_path / "lake" / "numbers.csv").write_text("a,b\n9,9\n")
    repo.make(model, "reproduce", f"ID={run}").failed("its dataset lake: had version")
