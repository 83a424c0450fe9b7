"""Files of a run, as they are written and read: without make."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.experiments.metrics_log import Follower, Point, read_points
from trainyard.host.experiments.run_files import Run, find_run, new_run, read_run
from trainyard.host.experiments.transcript import Transcript, progress
from trainyard.host.support.reporter import SILENT


def test_an_id_by_its_beginning_or_end(tmp_path: Path) -> None:
    one, two = (new_run(tmp_path, "p/m", name) for name in ("one", "two"))
    assert find_run([tmp_path], one.id, SILENT).id == one.id
    assert find_run([tmp_path], two.id[-6:], SILENT).id == two.id
    assert find_run([tmp_path], "latest", SILENT).id in (one.id, two.id)
    with pytest.raises(TrainyardError, match="2 runs are called so"):
        find_run([tmp_path], one.id[:4], SILENT)


def test_a_run_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    run = new_run(tmp_path, "p/m", "m").saved(host=socket.gethostname() + "-not", pid=1, pid_started="never")
    assert read_run(run.folder, SILENT).status == "running"


def test_what_a_killed_training_left_behind_writes_too_late(tmp_path: Path) -> None:
    with Transcript(tmp_path / "log.txt", tmp_path / "metrics.jsonl", SILENT) as transcript:
        transcript(b"in time\n", False)
    transcript(b"late\n", True)
    assert (tmp_path / "log.txt").read_text() == "in time\n"


def test_a_run_without_space_is_one_line(tmp_path: Path) -> None:
    run = new_run(tmp_path, "p/m", "m")
    run.folder.joinpath("run.json").unlink()
    run.folder.rmdir()
    with pytest.raises(TrainyardError, match=r"run\.json: No such file"):
        run.saved(status="finished")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 7))
def test_a_log_that_is_cut_anywhere_is_read_as_far_as_it_goes(
    tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes], cut: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    good = [b'{"name": "loss", "value": %d, "step": %d, "time": 5}' % (n, n) for n in range(3)]
    path.write_bytes(b"\n".join([*garbage, *good, good[0][:-cut]]))
    assert [p for p in read_points(path, SILENT) if p.name == "loss" and p.time == 5] == [
        Point("loss", n, n, 5) for n in range(3)
    ]


def test_a_growing_log_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    follower = Follower(path, SILENT)
    assert follower.new() == []
    with path.open("a") as file:
        for step in range(3):
            file.write(f'{{"name": "a", "value": "nan", "step": {step}}}\n{{"name": ')
            file.flush()
            assert [point.step for point in follower.new()] == [step]
            file.write('"b"}\n')
            file.flush()
        assert follower.new() == []


def test_a_run_remembers_its_length(tmp_path: Path) -> None:
    run = Run("i", tmp_path, "p/m", "m", started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:01:30+00:00")
    assert run.seconds == 90
    assert Run("i", tmp_path, "p/m", "m").seconds is None


def test_outside_of_a_run_nothing_is_logged(tmp_path: Path) -> None:
    code = "from utils.runs import *; log_metric('a', 1); set_tag('b', 2); write_evaluation({})"
    root = Path(__file__).parents[2]
    subprocess.run([root / ".venv/bin/python", "-c", code], cwd=tmp_path, check=True, env={"PYTHONPATH": str(root)})
    assert not list(tmp_path.iterdir())


def test_a_long_training_shows_how_long_it_has_run() -> None:
    assert progress([], 1.9) == ""
    assert progress([], 75) == "running for 1:15"
    assert progress([Point("loss", 0.5, 3, 0)], 61) == "step 3  loss 0.5  (1:01)"
