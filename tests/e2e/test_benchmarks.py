"""The benchmarks that the docs name run, and print what they say. How quick anything is, is no test's business."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from needs import need

from bench.builds import targets

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def make(*arguments: str) -> str:
    done = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def _load() -> None:
    need("wrk")


@pytest.mark.usefixtures("_load")
def test_bench_serving_measures_every_cell_that_it_is_asked_for(tmp_path: Path) -> None:
    options = f"--servers trainyard --models lr --rows 1,100 --connections 2 --repeats 1 --seconds 1 --out {tmp_path}"
    printed = make("bench-serving", f"OPTIONS={options}")
    (measured,) = json.loads((tmp_path / "serving.json").read_text())
    assert (measured["name"], measured["errors"]) == ("trainyard", 0)
    for figure in ("per_second", "processor"):
        assert set(measured[figure]) == {"lr 1x2", "lr 100x2"}
        assert all(value > 0 for values in measured[figure].values() for value in values)
    assert measured["memory"]["lr"][0] > 10
    assert (tmp_path / "serving.md").read_text().strip() in printed
    assert "<svg" in (tmp_path / "serving.svg").read_text()


@pytest.mark.usefixtures("_load")
def test_bench_memory_compares_workers(tmp_path: Path) -> None:
    options = f"--kinds compiled --models lr --workers 1,2 --share 1 --out {tmp_path}"
    printed = make("bench-memory", f"OPTIONS={options}")
    one, two = json.loads((tmp_path / "memory.json").read_text())
    assert (one["case"]["workers"], two["case"]["workers"]) == (1, 2)
    assert 10 < one["memory"][0] < two["memory"][0] < 1.4 * one["memory"][0]
    assert "compiled: two workers take 1." in printed


@pytest.mark.usefixtures("_load")
def test_bench_images_starts_each_model(tmp_path: Path) -> None:
    make("bench-images", f"OPTIONS=--engine none --kinds compiled --models lr --repeats 1 --out {tmp_path}")
    (measured,) = json.loads((tmp_path / "images.json").read_text())
    assert len(measured["cold_start"]) == 1
    assert measured["memory"] > 10


def test_bench_builds_times_each_case(tmp_path: Path) -> None:
    options = f"--ways process --cases edit,second,generated --models 4 --repeats 1 --without-baseline --out {tmp_path}"
    printed = make("bench-builds", f"OPTIONS={options}")
    measured = json.loads((tmp_path / "builds.json").read_text())
    assert set(measured["seconds"]) == {"edit", "second"}
    assert all(value > 0 for ways in measured["seconds"].values() for values in ways.values() for value in values)
    judged = {(one["what"], one["way"]): one for one in measured["verdicts"]}
    assert judged["4 models: an edit of one builds", "process"]["figure"] == "bench-model3-predict, bench-model3-train"
    assert judged["4 models: an edit of one builds", "process"]["met"]
    assert {("one-line edit of predict.py, rebuild", "process"), ("4 models: make list", "process")} <= set(judged)
    assert "| 4 models: make -n build-all | process | " in printed
    assert (tmp_path / "builds.md").read_text().strip() in printed


@pytest.mark.engine("docker")
def test_bench_builds_weighs_images(tmp_path: Path) -> None:
    options = f"--ways docker --cases bytes,size --compiled --equal 1 --without-baseline --out {tmp_path}"
    make("bench-builds", f"OPTIONS={options}")
    verdicts = json.loads((tmp_path / "builds.json").read_text())["verdicts"]
    shared, size = verdicts
    assert re.fullmatch(r"1\.\d+ \(\d+ MB, \d+ MB\)", shared["figure"])
    assert re.fullmatch(r"\d+\.\d MB, packages \d+\.\d MB", size["figure"])
    assert shared["met"] and size["met"]


def test_bench_builds_says_what_is_not_reached() -> None:
    found = {"edit": {"baseline": [20.0, 30.0], "docker": [1.25, 0.9], "process": [1.5]}, "second": {"docker": [2.0]}}
    words = {"edit": "an edit", "second": "a second"}
    lines = [verdict.line for verdict in targets.of_times(found, words)]
    assert lines == [
        "| an edit | docker | 23.3x | at least 25x | **not met** |",
        "| an edit | process | 16.7x | at least 25x | **not met** |",
        "| an edit | process | 1.50 s | under 1 s | **not met** |",
        "| a second | docker | 1.86 edits | at most 1.25 | **not met** |",
    ]
    assert not targets.of_shared("docker", 112, 100).met
    assert targets.of_shared("docker", 109, 100).met
    assert targets.of_size("docker", 100 + 5 * 2**20, 100).met
    assert not targets.of_size("docker", 101 + 5 * 2**20, 100).met


def test_profile_serving_prints_where_the_time_goes() -> None:
    printed = make("profile-serving", "OPTIONS=--calls 50 --rows 1")
    for stage in ("read and parse HTTP", "encode", "estimator", "write JSON", "a whole request"):
        assert stage in printed


def test_bench_tuning_compares_trials_with_containers(tmp_path: Path) -> None:
    printed = make("bench-tuning", f"OPTIONS=--imports nothing --trials 4 --containers 2 --out {tmp_path}")
    (measured,) = json.loads((tmp_path / "tuning.json").read_text())
    assert 0 < measured["trial"] < measured["container"]
    assert (tmp_path / "tuning.md").read_text().strip() in printed
