"""Uploading a run: whoever is killed on the way, a run is there once, with each value once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.records import kept_run
from trainyard.host.experiments.metrics_log import Point
from trainyard.host.experiments.run_files import Run, new_run
from trainyard.host.experiments.tracking.all_runs import Uploads, known_runs, upload_all
from trainyard.host.experiments.tracking.mlflow_client import Connection, TrackingError, connect
from trainyard.host.experiments.tracking.mlflow_format import LONGEST_NAME, RUN_TAG, cut, final_points, named
from trainyard.host.experiments.tracking.sync import Uploader
from trainyard.host.experiments.tracking.tracker import Tracker, chosen_tracker, without_credentials
from trainyard.host.support.reporter import SILENT, Recording
from trainyard.settings.experiments import ExperimentSettings

if TYPE_CHECKING:  # takes seconds
    from mlflow.entities import Run as MlflowRun


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Connection:
    folder = tmp_path_factory.mktemp("mlruns")
    database = f"sqlite:///{folder}/mlflow.db"
    return connect(Tracker(database, database, artifacts=str(folder / "artifacts")), 10)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An experiment of its own for each test."""
    return tmp_path / "projects" / tmp_path.name


@pytest.fixture
def uploader(connection: Connection, tmp_path: Path) -> Uploader:
    return Uploader(connection, tmp_path / "locks", 10, SILENT)


def found(connection: Connection, project: Path) -> list[MlflowRun]:
    from mlflow.entities import ViewType

    experiment = connection.client.get_experiment_by_name(project.name)
    return list(connection.client.search_runs([experiment.experiment_id], "", ViewType.ALL)) if experiment else []


class Killed(BaseException):
    """What happens when nothing more happens."""


class Dying:
    """A client that lets ``calls`` through; the next has its effect, or has not, and nobody hears of it."""

    def __init__(self, client: Any, calls: int, *, after: bool) -> None:
        self._client, self._left, self._after = client, calls, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left < 0 and not self._after:
                raise Killed
            result = method(*arguments, **named)
            if self._left < 0:
                raise Killed
            return result

        return call


@pytest.mark.parametrize("after", [True, False])
def test_killed_at_any_request_and_repeated_a_run_is_there_once(
    connection: Connection, uploader: Uploader, project: Path, tmp_path: Path, after: bool
) -> None:
    run = kept_run(project, steps=5)
    deaths = 0
    while True:
        dying = Connection(connection.tracker, Dying(connection.client, deaths % 20, after=after), 10)  # type: ignore[arg-type]
        try:
            Uploader(dying, tmp_path / "locks", 10, SILENT).upload(run)
            break
        except Killed:
            deaths += 1
    assert deaths >= 3
    (mine,) = found(connection, project)
    history = connection.client.get_metric_history(mine.info.run_id, "loss")
    assert sorted(one.step for one in history) == [0, 1, 2, 3, 4]
    assert mine.info.status == "FINISHED"
    assert uploader.is_there(run)
    assert not uploader.upload(run)


def test_live_points_are_not_uploaded_again(connection: Connection, uploader: Uploader, project: Path) -> None:
    run = kept_run(project, steps=4)
    running = run.saved(status="running")
    points = [Point("loss", 1 / (step + 1), step, 1_795_277_245_000 + step) for step in range(4)]
    uploader.report(running, points[:2])
    uploader.report(running, points[:3])
    assert [one.info.status for one in found(connection, project)] == ["RUNNING"]
    uploader.upload(run)
    (mine,) = found(connection, project)
    assert len(connection.client.get_metric_history(mine.info.run_id, "loss")) == 4


def test_trials_are_below_their_tuning(connection: Connection, uploader: Uploader, project: Path) -> None:
    parent = new_run(project, f"{project.name}/m", "m", kind="tuning")
    trials = [kept_run(project, parent=parent.id, kind="trial") for _ in range(2)]
    assert upload_all(uploader, trials, lambda _: None) == Uploads(2)
    runs = {run.data.tags[RUN_TAG]: run for run in found(connection, project)}
    assert runs[parent.id].info.status == "RUNNING"
    for trial in trials:
        assert runs[trial.id].data.tags["mlflow.parentRunId"] == runs[parent.id].info.run_id
    uploader.upload(parent.ended("finished", metrics={"loss": 0.5}))
    assert len(found(connection, project)) == 3


def test_a_tracker_that_was_emptied_gets_its_runs_again(
    connection: Connection, uploader: Uploader, project: Path
) -> None:
    run = kept_run(project)
    uploader.upload(run)
    assert known_runs(connection, project.name) == {run.id}
    assert known_runs(connection, "another") == set()
    uploader.forget(run)
    assert not uploader.is_there(run)
    uploader.upload(run)
    assert len(found(connection, project)) == 1


def test_a_run_that_was_deleted_in_the_tracker_stays_so(
    connection: Connection, uploader: Uploader, project: Path
) -> None:
    run = kept_run(project)
    uploader.upload(run)
    connection.client.delete_run(uploader.mlflow_run(run))
    uploader.forget(run)
    assert not uploader.upload(run)
    assert [one.info.lifecycle_stage for one in found(connection, project)] == ["deleted"]


def test_an_experiment_that_was_deleted_is_reported(connection: Connection, uploader: Uploader, project: Path) -> None:
    connection.client.delete_experiment(connection.experiment(project.name))
    uploads = upload_all(uploader, [kept_run(project)], lambda _: None)
    assert (uploads.done, uploads.failed) == (0, 1)
    assert "was deleted" in uploads.failures[0]
    assert "mlflow experiments restore" in uploads.failures[0]


def test_a_report_that_is_made_later_is_uploaded_then(
    connection: Connection, uploader: Uploader, project: Path
) -> None:
    run = kept_run(project)
    uploader.upload(run)
    (run.folder / "plots").mkdir()
    (run.folder / "plots" / "roc.png").write_bytes(b"png")
    assert uploader.upload(run)
    mine = found(connection, project)[0]
    place = Path(connection.tracker.artifacts) / mine.info.artifact_uri.removeprefix("mlflow-artifacts:/").lstrip("/")
    assert (place / "plots" / "roc.png").read_bytes() == b"png"


def test_what_mlflow_cannot_take_is_cut_or_renamed_and_reported(
    connection: Connection, project: Path, tmp_path: Path
) -> None:
    run = kept_run(project, params={"text": "x" * 7000, "plain": 1}, tags={"where@": "here"}, metrics={"f1(a)": 0.5})
    reporter = Recording()
    Uploader(connection, tmp_path / "locks", 10, reporter).upload(run)
    (mine,) = found(connection, project)
    assert len(mine.data.params["text"]) == 6000
    assert mine.data.params["plain"] == "1"
    assert mine.data.metrics[named("f1(a)")] == 0.5
    assert mine.data.tags[named("where@")] == "here"
    (warning,) = reporter.noted("warning")
    assert all(name in warning for name in ("text", "where@", "f1(a)"))
    assert "plain" not in warning


def test_more_than_mlflow_takes_at_once(connection: Connection, uploader: Uploader, project: Path) -> None:
    many = {f"p{number}": "x" * 5000 for number in range(150)}
    run = kept_run(project, steps=2300, params=many, tags={f"t{number}": "y" * 7000 for number in range(150)})
    uploader.upload(run)
    (mine,) = found(connection, project)
    assert len(mine.data.params) == 150
    assert mine.data.params["p149"] == many["p149"]
    assert len([name for name in mine.data.tags if name.startswith("t1")]) == 61
    assert len(connection.client.get_metric_history(mine.info.run_id, "loss")) == 2300


def test_a_parameter_that_the_training_understood_in_another_way(
    connection: Connection, uploader: Uploader, project: Path
) -> None:
    run = kept_run(project, params={"x": 1})
    uploader.report(run.saved(status="running"), [])
    uploader.upload(run.saved(params={"x": 1.5, "y": 2}))
    (mine,) = found(connection, project)
    assert mine.data.params == {"x": "1", "y": "2"}
    assert mine.data.tags["trained.x"] == "1.5"


# -- underneath -----------------------------------------------------------------------------------------------------


@given(st.text(st.characters(), max_size=300))
def test_every_name_becomes_one_that_mlflow_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

    for check in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        check(named(name))
    assert len(named(name)) <= LONGEST_NAME


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_names_never_become_one(one: str, other: str) -> None:
    assert (named(one) == named(other)) == (one == other)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60), st.integers(20, 40))
def test_a_text_is_cut_at_the_limit(text: str, longest: int) -> None:
    assert len(cut(text, longest)) <= longest
    assert cut(text, longest) == text or len(text) > longest


@given(st.text(max_size=60))
def test_a_text_is_one_that_a_database_takes(text: str) -> None:
    assert "\0" not in cut(text, 100).encode().decode()


def test_final_metrics_are_those_that_were_not_reported(tmp_path: Path) -> None:
    nan = float("nan")
    run = Run("i", tmp_path, "p/m", "m", finished="2026-01-01T00:00:00+00:00", metrics={"a": 1.0, "b": nan, "c": 2.0})
    points = [Point("a", 0.0, 0, 5), Point("a", 1.0, 1, 6), Point("b", nan, 3, 6), Point("c", 1.0, 7, 6)]
    assert final_points(run, points) == [Point("c", 2.0, 7, 1767225600000)]


@given(st.text("ab:/@.", max_size=20), st.text("xyz%!:", max_size=9))
def test_no_password_is_ever_shown(before: str, password: str) -> None:
    password = f"z{password}"
    assert password not in without_credentials(f"{before}postgresql://me:{password}@host/db")


def test_credentials_are_kept_apart(tmp_path: Path) -> None:
    settings = ExperimentSettings.read({"MLFLOW_TRACKING_URI": "https://me:a%2Fb@host:5007/base/"})
    tracker = chosen_tracker(settings, tmp_path)
    assert tracker == Tracker("https://host:5007/base", "https://host:5007/base", "me", "a/b")
    assert "a/b" not in repr(tracker)
    assert "a%2Fb" not in repr(settings)


def test_without_a_setting_and_a_server_there_is_no_tracker(tmp_path: Path) -> None:
    assert chosen_tracker(ExperimentSettings(), tmp_path) is None
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns/server.json").write_text('{"url": "http://127.0.0.1:1", "pid": 1, "started": "never"}')
    assert chosen_tracker(ExperimentSettings(), tmp_path) is None


def test_a_failure_of_mlflow_is_one_line_without_the_password(connection: Connection) -> None:
    from mlflow.exceptions import MlflowException

    tracker = Tracker("http://h", "http://h", "me", "hunter2")
    with pytest.raises(TrackingError) as caught, Connection(tracker, connection.client, 3).speaking():
        raise MlflowException("no\nsuch thing: hunter2 at postgresql://u:hunter2@db")
    assert str(caught.value).startswith("http://h: no such thing: *** at postgresql://db: ")
    assert not caught.value.gone
