"""What a training leaves in its run's folder beside what it should: links to the host's files, pipes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from monorepo import Model, Monorepo

from trainyard.errors import TrainyardError
from trainyard.host.experiments.metrics_log import read_points, read_tags
from trainyard.host.experiments.report import write_report
from trainyard.host.experiments.run_files import Run, find_run, new_run, read_run, runs_of
from trainyard.host.experiments.tracking.model_folder import has_model
from trainyard.host.experiments.tracking.upload_state import artifacts, files_of
from trainyard.host.experiments.training import check_payload
from trainyard.host.support.reporter import SILENT, Recording

POINTS = "".join(json.dumps({"name": "loss", "value": 1.0, "step": step}) + "\n" for step in range(3))
LEAVES = """
import os
import pathlib
import pickle


def train(msg):
    run, outside = pathlib.Path("/model/run" if os.path.isdir("/model/run") else "run"), pathlib.Path({outside!r})
    for name, leads_to in {links!r}.items():
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(outside / leads_to)
    (run / "metrics.jsonl").write_text({points!r})
    pathlib.Path("models/" + msg["payload"]["model_name"] + ".json").write_text('{{"metrics": [1], "params": "x"}}')
    pathlib.Path("models/" + msg["payload"]["model_name"] + ".pkl").write_bytes(pickle.dumps({{"factor": 1}}))
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What no container has."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "holiday.png").write_text("dear")
    (folder / "tags.jsonl").write_text('{"name": "leak", "value": "of the host"}\n')
    (folder / ".env").write_text("TOKEN=of the host")
    return folder


def unchanged(outside: Path) -> bool:
    return sorted(path.name for path in outside.iterdir()) == [".env", "holiday.png", "tags.jsonl"]


@pytest.mark.slow
def test_a_training_cannot_lead_the_host_elsewhere(repo: Monorepo, model: Model, outside: Path) -> None:
    links = {"plots": "", "tags.jsonl": "tags.jsonl", "env.txt": ".env", "run.json": "made.json", "log.txt": "made.txt"}
    (model.path / "train.py").write_text(LEAVES.format(outside=str(outside), links=links, points=POINTS))
    made = repo.make(model, "train").succeeded()
    assert "tags.jsonl: cannot be read (a link, which is not followed)" in made.err
    assert "a link, which is not followed: '" in made.err
    assert "/plots'" in made.err
    shown = repo.make(model, "run-show").succeeded().out
    assert "of the host" not in shown
    assert "finished" in shown
    assert unchanged(outside)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return new_run(tmp_path, "p/m", "m")


def test_a_name_that_is_no_file_name_is_refused_before_anything_is_made(repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "train", 'PAYLOAD={"model_name": "../../x"}')
    made.failed("PAYLOAD: the model_name '../../x' cannot be a file name")
    assert "---> " not in made.err
    assert not (model.path.parent / "runs").exists()


@pytest.mark.parametrize("name", ["a/b", "..", "two\nlines", "", 3])
def test_a_name_has_to_be_one_of_a_file(tmp_path: Path, name: object) -> None:
    with pytest.raises(TrainyardError, match="cannot be a file name"):
        check_payload(tmp_path, {"model_name": name})


def test_only_the_runs_own_files_are_uploaded(run: Run, outside: Path) -> None:
    run.path("own.txt").write_text("x")
    run.path("env.txt").symlink_to(outside / ".env")
    run.path("folder").symlink_to(outside)
    os.mkfifo(run.path("pipe"))
    assert sorted(files_of(run)) == ["own.txt", "run.json"]
    assert [str(path) for path in artifacts(run)] == ["own.txt", "run.json"]


def test_a_model_of_links_is_none(run: Run, outside: Path) -> None:
    run.path("record.json").write_text(json.dumps({"model_name": "m", "sha256": "0" * 64}))
    run.path("model").mkdir()
    run.path("model/m.pkl").symlink_to(outside / ".env")
    run.path("model/m.json").write_text("{}")
    assert not has_model(run)


@pytest.mark.parametrize("name", ["metrics.jsonl", "tags.jsonl"])
def test_a_pipe_makes_nobody_wait(run: Run, name: str) -> None:
    reporter = Recording()
    os.mkfifo(run.path(name))
    assert not read_points(run.path(name), reporter)
    assert not read_tags(run.path(name), reporter)
    assert f"{run.path(name)}: cannot be read (not a regular file)" in reporter.noted("warning")[0]


def test_pictures_are_drawn_in_the_runs_own_folder(run: Run, outside: Path) -> None:
    run.path("metrics.jsonl").write_text(POINTS)
    run.path("plots").symlink_to(outside)
    with pytest.raises(OSError, match="a link, which is not followed"):
        write_report(run, SILENT)
    run.path("plots").unlink()
    assert write_report(run, SILENT).is_file()
    assert unchanged(outside)


def test_a_link_in_the_place_of_a_run_is_an_error_of_that_run(run: Run, tmp_path: Path) -> None:
    other = new_run(tmp_path, "p/m", "m")
    run.folder.rename(tmp_path / "moved")
    run.folder.symlink_to(tmp_path / "moved")
    found = list(runs_of([tmp_path], SILENT))
    assert [one.id for one in found if isinstance(one, Run)] == [other.id]
    assert [one for one in found if isinstance(one, TrainyardError) and "a link, which is not followed" in str(one)]


ODD = [{"model_name": name} for name in ("../x", "a/b", "a\nb", "", None, 3)]
ODD += [{"parent": "../../elsewhere"}, {"parent": 3}, {"pid": "1/../../tmp"}, {"metrics": {"loss": "much"}}]


@pytest.mark.parametrize("changes", ODD, ids=str)
def test_what_a_container_wrote_of_its_run_is_looked_at(run: Run, tmp_path: Path, changes: dict[str, object]) -> None:
    other = new_run(tmp_path, "p/m", "m")
    for one in (run, other):
        assert read_run(one.folder, SILENT) == one
    content = json.loads(other.path("run.json").read_text())
    other.path("run.json").write_text(json.dumps(content | changes))
    with pytest.raises(TrainyardError, match="not a readable run"):
        read_run(other.folder, SILENT)
    assert find_run([tmp_path], "latest", SILENT) == run
