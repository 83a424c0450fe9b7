"""Trainings with a real MLflow server: what is there while they go and after, whatever happens to the server."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
from monorepo import Model, Monorepo, free_port, interrupt
from needs import need
from waiting import until

from experiments.odd_runs import TAKEN, UNREADABLE, unreadable_run, with_file
from experiments.records import kept_run
from experiments.tracking import WAIT, Tracking, tracking

pytestmark = pytest.mark.slow  # the server takes its time to start

STEPS = 100  # of a training that a server is killed in
NOBODY = "TRACKING_URI=http://127.0.0.1:9"  # the port of the discard protocol, which nobody runs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    with tracking(tmp_path_factory.mktemp("tracking")) as server:
        yield server


@pytest.fixture
def repo(server: Tracking) -> Monorepo:
    return server.repo


def payload(**params: object) -> str:
    return "PAYLOAD=" + json.dumps({"params": params})


def run_folders(model: Model) -> list[Path]:
    return sorted((model.path.parent / "runs").iterdir())


def test_a_run_is_logged_with_everything(server: Tracking, repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "train", payload(x=1.5), "DESCRIPTION=first try", **WAIT).succeeded()
    assert "track-sync" not in made.err
    (folder,) = run_folders(model)
    (run,) = server.runs(model.project)
    assert f"Tracked: {server.url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}" in made.err
    assert run.data.tags["trainyard.run_id"] == folder.name
    assert run.info.run_name.startswith(f"{folder.name[-6:]} "), "not by the date, with which they all begin"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"x": "1.5", "steps": "3", "pause": "0.0"}
    assert run.data.metrics == {"loss": 0.25, "accuracy": 0.8}
    # What was reported by step, and the record's own value, as the last.
    assert server.history(run, "loss") == [(0, 1.25), (1, 0.75), (2, 0.25), (2, 0.25 + 1 / 3)]
    tags = run.data.tags
    assert tags["shape"] == "parabola"
    assert tags["mlflow.note.content"] == tags["description"] == "first try"
    assert server.artifacts(run) == {
        "log.txt", "model", "plots", "record.json", "report.html", "requirements.lock", "run.json",
    }  # fmt: skip
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("data/numbers.csv", tags["dataset_sha256"][:36])
    assert tags["dataset_sha256"] in dataset.dataset.profile
    assert run.info.end_time > run.info.start_time


def test_the_model_is_one_for_mlflow(server: Tracking, repo: Monorepo, model: Model) -> None:
    repo.make(model, "train", payload(x=1.5), **WAIT).succeeded()
    (run,) = server.runs(model.project)
    assert {f"model/{model.name}.pkl", f"model/{model.name}.json", "model/MLmodel"} <= server.artifacts(run, "model")
    mlflow.set_tracking_uri(server.url)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert loaded.metadata.flavors["trainyard"]["sha256"] == run.data.tags["sha256"]
    assert loaded.get_raw_model() == {"factor": 1.5, "rows": 2}
    with pytest.raises(TypeError, match=r"only its own predict\.py understands"):
        loaded.predict([[1, 2]])


def test_a_training_is_seen_while_it_goes(server: Tracking, repo: Monorepo, model: Model) -> None:
    process = repo.spawn(model, "train", payload(steps=10_000, pause=0.1), **WAIT)
    until(lambda: [run for run in server.runs(model.project) if "loss" in run.data.metrics])
    (run,) = server.runs(model.project)
    assert (run.info.status, run.data.params["pause"]) == ("RUNNING", "0.1")
    before = len(server.history(run, "loss"))
    until(lambda: len(server.history(run, "loss")) > before)
    interrupt(process)
    (run,) = server.runs(model.project)
    assert run.info.status == "KILLED"
    lines = (run_folders(model)[0] / "metrics.jsonl").read_text().splitlines()
    assert len(server.history(run, "loss")) == len(lines)


def test_a_failed_training_is_a_failed_run(server: Tracking, repo: Monorepo, model: Model) -> None:
    assert repo.make(model, "train", payload(crash=True), **WAIT).status == 2
    (run,) = server.runs(model.project)
    assert run.info.status == "FAILED"
    assert run.data.tags["trainyard.error"] == "RuntimeError: as asked"
    assert server.artifacts(run) == {"log.txt", "run.json"}


@pytest.mark.nightly
def test_a_nan_metric_is_nan(server: Tracking, repo: Monorepo, model: Model) -> None:
    repo.make(model, "train", payload(nan=True), **WAIT).succeeded()
    (run,) = server.runs(model.project)
    assert run.data.metrics["loss"] != run.data.metrics["loss"]


def test_a_server_that_is_not_there_costs_a_warning_and_sync_fixes_it_once(
    server: Tracking, repo: Monorepo, model: Model
) -> None:
    made = repo.make(model, "train", payload(x=1.5), NOBODY).succeeded()
    (warning,) = [line for line in made.err.splitlines() if "make track-sync" in line]
    assert warning.startswith("warning: http://127.0.0.1:9: cannot be reached")
    assert server.runs(model.project) == []
    repo.make(None, "track-sync", NOBODY).failed("127.0.0.1:9: cannot be reached")
    output = repo.make(None, "track-sync", **WAIT).succeeded().err
    assert "Uploaded 1 of 1 runs" in output
    (run,) = server.runs(model.project)
    assert run.info.status == "FINISHED"
    assert len(server.history(run, "loss")) == 4
    assert "model" in server.artifacts(run)
    assert "Uploaded 0 of 1 runs" in repo.make(None, "track-sync", **WAIT).succeeded().err
    assert len(server.runs(model.project)) == 1


@pytest.mark.nightly
def test_two_syncs_at_once(server: Tracking, repo: Monorepo, model: Model) -> None:
    for _ in range(2):
        repo.make(model, "train", NOBODY).succeeded()
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: repo.make(None, "track-sync", **WAIT).succeeded().err, range(2)))
    done = [int(found[1]) for output in made if (found := re.search(r"Uploaded (\d) of 2", output))]
    assert sum(done) == 2
    runs = server.runs(model.project)
    assert [run.data.tags["trainyard.run_id"] for run in runs] == [folder.name for folder in run_folders(model)]
    assert all(len(server.history(run, "loss")) == 4 for run in runs)


def test_no_run_stops_another(server: Tracking, repo: Monorepo, model: Model) -> None:
    project = model.path.parent
    taken = {name: make(project) for name, make in TAKEN.items()}
    refused = {name: with_file(project, name, b"x") for name in ("two\nlines", "%2e%2e")}
    unreadable = [unreadable_run(project, content) for content in UNREADABLE.values()]
    after = kept_run(project)
    synced = repo.make(None, "track-sync")
    assert synced.status != 0
    lines = synced.err.splitlines()
    for folder in [*unreadable, *(run.folder for run in refused.values())]:
        assert len([line for line in lines if line.startswith("warning: ") and folder.name in line]) == 1, folder.name
    assert "Traceback" not in synced.err
    assert any("two\\nlines" in line for line in lines)
    assert "14 of 27 runs could not be uploaded" in synced.err
    there = {run.data.tags["trainyard.run_id"]: run for run in server.every_run()}
    assert {run.id for run in (*taken.values(), *refused.values(), after)} <= there.keys()
    assert there[taken["pruned"].id].info.status == "KILLED"
    assert there[taken["pruned"].id].data.tags["trainyard.status"] == "pruned"
    assert {there[run.id].info.status for run in refused.values()} == {"FINISHED"}
    assert "log.txt" in server.artifacts(there[refused["%2e%2e"].id]), "the rest of it"

    for folder in unreadable:
        shutil.rmtree(folder)
    for name, run in refused.items():
        run.path(name).unlink()
    again = repo.make(None, "track-sync").succeeded()
    assert "Uploaded 2 of 15 runs" in again.err


TRACKS_ITSELF = """
import pathlib
import pickle

import mlflow


def train(msg):
    payload = msg["payload"]
    x = payload.get("params", {}).get("x", 1.0)
    with mlflow.start_run(run_name="by itself"):
        mlflow.log_metric("loss", (x - 2) ** 2)
    pathlib.Path(f"models/{payload['model_name']}.pkl").write_bytes(pickle.dumps({"factor": x, "rows": 2}))
    return {"metrics": {"loss": (x - 2) ** 2}}
"""
TUNED_ITSELF = (
    "tracking: own\ntuning: {metric: loss, max_trials: 2, hyperparams: {x: {default_value: 1.0, tuning: "
    "{param_type: choice, values: [1.0, 2.0]}}}}\n"
)


def tracking_itself(model: Model) -> None:
    (model.path / "train.py").write_text(TRACKS_ITSELF)
    (model.path / "requirements_train.txt").write_text(f"mlflow-skinny=={mlflow.__version__}\n")


def by_themselves(server: Tracking, model: Model) -> list[float]:
    runs = [run for run in server.runs(model.project) if run.info.lifecycle_stage == "active"]
    assert {run.info.run_name for run in runs} <= {"by itself"}, "each is there once"
    return sorted(run.data.metrics["loss"] for run in runs)


@pytest.mark.nightly
def test_a_train_function_that_tracks_itself(server: Tracking, repo: Monorepo, model: Model) -> None:
    tracking_itself(model)
    lost = repo.make(model, "train", f"TRACKING_URI={server.url}").err
    assert f"{model.name}/train.py:5 uses MLflow, and what it logs goes into a folder that is thrown away" in lost
    assert "write `tracking: own` into" in lost
    for run in server.runs(model.project):
        server.client.delete_run(run.info.run_id)  # ours of it; the function's own is lost
    (model.path / "config.yaml").write_text("tracking: own\n")
    assert "thrown away" not in repo.make(model, "train").succeeded().err
    assert by_themselves(server, model) == [1.0]
    (model.path / "config.yaml").write_text(TUNED_ITSELF)
    repo.make(model, "tune", "WORKERS=1").succeeded()
    assert by_themselves(server, model) == [0.0, 0.0, 1.0, 1.0], "two trials and the final training"
    repo.make(None, "track-sync").succeeded()
    assert len(by_themselves(server, model)) == 4, "ours are not there beside them"
    repo.make(model, "train", NOBODY).failed("http://127.0.0.1:9: cannot be reached", "the train function logs there")


@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.nightly)])
def test_it_reaches_the_tracker_from_a_container(server: Tracking, repo: Monorepo, model: Model, engine: str) -> None:
    need(engine)
    tracking_itself(model)
    (model.path / "config.yaml").write_text("tracking: own\n")
    try:
        repo.make(model, "train", f"ENGINE={engine}").succeeded()
    finally:
        repo.make(model, "clean", f"ENGINE={engine}")
    assert by_themselves(server, model) == [1.0]


def test_a_server_that_hangs_costs_a_warning_that_names_the_timeout(repo: Monorepo, model: Model) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        uri = f"TRACKING_URI=http://127.0.0.1:{silent.getsockname()[1]}"
        made = repo.make(model, "train", payload(), uri, "TRACKING_TIMEOUT=2").succeeded()
        assert "no answer in 2 s: raise TRACKING_TIMEOUT" in made.err
        assert made.err.count("make track-sync") == 1
        repo.make(None, "track-sync", uri, "TRACKING_TIMEOUT=1").failed("no answer in 1 s", "TRACKING_TIMEOUT")
    assert json.loads((run_folders(model)[0] / "run.json").read_text())["status"] == "finished"


def test_a_password_is_nowhere(server: Tracking, repo: Monorepo, model: Model) -> None:
    for url in (server.url, "http://127.0.0.1:9"):
        uri = url.replace("://", "://somebody:hunter%2F2@")
        made = repo.make(model, "train", f"TRACKING_URI={uri}", **WAIT).succeeded()
        for text in (made.out + made.err, *(path.read_text() for path in run_folders(model)[-1].glob("*.json*"))):
            assert "hunter" not in text
    assert len(server.runs(model.project)) == 1


@pytest.mark.parametrize("uri", ["nonsense", "sqlite:///x.db", "http://", "http://a:b@[::1", "http://h:port"])
def test_a_uri_that_is_none_is_one_line_before_anything_happens(repo: Monorepo, model: Model, uri: str) -> None:
    output = repo.make(model, "train", f"TRACKING_URI={uri}").failed("TRACKING_URI=", "not the URL of a server")
    assert "a:b@" not in output
    assert not (model.path.parent / "runs").exists()


def test_a_second_server_is_reported(server: Tracking, repo: Monorepo) -> None:
    assert f"runs already: {server.url}" in repo.make(None, "track", f"TRACK_PORT={free_port()}").succeeded().err
    assert server.client.search_experiments()


def test_clean_keeps_what_was_tracked(server: Tracking, repo: Monorepo) -> None:
    repo.make(None, "clean").succeeded()
    assert (repo.path / "mlruns/mlflow.db").is_file()
    assert f"runs already: {server.url}" in repo.make(None, "track").succeeded().err


def test_a_server_killed_in_the_middle_of_a_run(server: Tracking, repo: Monorepo, model: Model) -> None:
    process = repo.spawn(model, "train", payload(steps=STEPS, pause=0.1), TRACKING_TIMEOUT="10")
    until(lambda: [run for run in server.runs(model.project) if "loss" in run.data.metrics])
    server.kill()
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert output.count("make track-sync uploads the run") == 1
    server.start()
    (run,) = server.runs(model.project)
    assert run.info.status == "RUNNING"
    assert "Uploaded 1 of 1" in repo.make(None, "track-sync", **WAIT).succeeded().err
    (run,) = server.runs(model.project)
    assert run.info.status == "FINISHED"
    history = server.history(run, "loss")
    assert [step for step, _ in history] == [*range(STEPS), STEPS - 1]
    assert "model" in server.artifacts(run)


def test_the_page_of_a_run_in_a_browser(server: Tracking, repo: Monorepo, model: Model, tmp_path: Path) -> None:
    need("chromium")
    from playwright.sync_api import expect, sync_playwright

    made = repo.make(model, "train", payload(x=1.5, steps=40), "DESCRIPTION=seen in a browser", **WAIT).succeeded()
    (run,) = server.runs(model.project)
    (link,) = re.findall(r"Tracked: (\S+)", made.err)
    with sync_playwright() as playwright:
        # Its sandbox does not start as root, and a container's /dev/shm is small; the page is of our own server.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        page = browser.new_page(viewport={"width": 1400, "height": 1800})
        expect.set_options(timeout=120_000)
        hosts = set()
        page.on("request", lambda request: hosts.add("/".join(request.url.split("/")[:3])))
        page.goto(link)
        for text in (run.info.run_name, "seen in a browser", "steps", "40", "accuracy", "0.8", "data/numbers.csv"):
            expect(page.get_by_text(text, exact=text == "40").first).to_be_visible()
        page.screenshot(path=tmp_path / "overview.png")
        page.goto(link.replace("?", "/model-metrics?"))
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        page.screenshot(path=tmp_path / "metrics.png")
        browser.close()
    assert {host for host in hosts if host.startswith("http")} == {server.url}
