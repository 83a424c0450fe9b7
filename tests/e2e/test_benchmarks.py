"""The benchmarks that the docs name run, and print what they say. How quick anything is, is no test's business."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from needs import need

from bench.builds import targets
from bench.ci import report as ci_report
from bench.ci.cases import Job
from bench.ci.places import Bytes
from bench.scaffold import report
from bench.scaffold.journeys import Journey, Start, make_table, travel
from bench.scaffold.watching import Step, installs

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def make(*arguments: str) -> str:
    done = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def _load() -> None:
    need("wrk")


@pytest.mark.nightly
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


@pytest.mark.nightly
@pytest.mark.usefixtures("_load")
def test_bench_memory_compares_workers(tmp_path: Path) -> None:
    options = f"--kinds compiled --models lr --workers 1,2 --share 1 --out {tmp_path}"
    printed = make("bench-memory", f"OPTIONS={options}")
    one, two = json.loads((tmp_path / "memory.json").read_text())
    assert (one["case"]["workers"], two["case"]["workers"]) == (1, 2)
    assert one["memory"][0] > 10
    taken = two["memory"][0] / one["memory"][0]
    assert 0.9 < taken < 1.4, "they share the model"
    assert f"compiled: two workers take {taken:.2f} times one worker" in printed


@pytest.mark.usefixtures("_load")
def test_bench_images_starts_each_model(tmp_path: Path) -> None:
    make("bench-images", f"OPTIONS=--engine none --kinds compiled --models lr --repeats 1 --out {tmp_path}")
    (measured,) = json.loads((tmp_path / "images.json").read_text())
    assert len(measured["cold_start"]) == 1
    assert measured["memory"] > 10


@pytest.mark.nightly
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


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_bench_tuning_compares_trials_with_containers(tmp_path: Path) -> None:
    printed = make("bench-tuning", f"OPTIONS=--imports nothing --trials 4 --containers 2 --out {tmp_path}")
    (measured,) = json.loads((tmp_path / "tuning.json").read_text())
    assert 0 < measured["trial"] < measured["container"]
    assert (tmp_path / "tuning.md").read_text().strip() in printed


@pytest.mark.nightly
def test_bench_data_compares_what_fetches(tmp_path: Path) -> None:
    need("versitygw")
    need("rclone")
    printed = make("bench-data", f"OPTIONS=--files 150 --large 70 --repeats 1 --out {tmp_path / 'out'}")
    measured = json.loads((tmp_path / "out" / "data.json").read_text())
    assert set(measured) == {"150 files of 10 kB", "4 files of 70 MB"}
    for by_tool in measured.values():
        assert set(by_tool) == {"trainyard", "rclone", "aws s3"}
        assert all(one["first"][0] > 0 and one["again"][0] > 0 and one["memory"] > 5 for one in by_tool.values())
    assert "150 files of 10 kB, first fetch: " in printed
    assert (tmp_path / "out" / "data.md").read_text().strip() in printed


@pytest.mark.nightly
def test_bench_scaffold_goes_from_an_empty_folder_to_an_answer(tmp_path: Path) -> None:
    options = f"--journeys trainyard --repeats 1 --without-warm-up --models 4 --checks 1 --out {tmp_path}"
    printed = make("bench-scaffold", f"OPTIONS={options}")
    measured = json.loads((tmp_path / "scaffold.json").read_text())
    (journey,) = measured["journeys"]["trainyard"]
    assert (journey["stopped"], journey["lines"]) == ("", 0)
    steps = ["install", "trainyard init", "make new-model", "make train", "make predict", "first request"]
    assert [step["name"] for step in journey["steps"]] == steps
    took = {step["name"]: step for step in journey["steps"]}
    assert all(step["seconds"] > 0 for step in journey["steps"])
    # It resolves, installs for training, installs for prediction: an installer is seen in each.
    for name in ("install", "make new-model", "make train", "make predict"):
        assert 0 < took[name]["packages"] < took[name]["seconds"]
    assert 0 < journey["fitting"] < took["make train"]["seconds"]
    assert len(measured["checks"]) == 1
    assert "| trainyard | 6 | 0 | " in printed
    assert "| make check, 4 models, median of 1 | process | " in printed
    assert (tmp_path / "scaffold.md").read_text().strip() in printed


def test_bench_scaffold_says_where_a_journey_stops(tmp_path: Path) -> None:
    start = Start(tmp_path / "place", tmp_path / "iris.csv", make_table(tmp_path / "iris.csv"), tmp_path / "no.whl", 0)
    gone = travel("trainyard", start)
    assert gone.stopped.startswith("install: error: ")
    lines = [*report.summary([gone]), *report.steps([gone])]
    assert "| trainyard | - | 0 | - | - | - | - | - | - |" in lines
    assert lines[-1].startswith("| trainyard | stopped: install: error: ")
    (verdict,) = report.verdicts([gone], 4, [])
    assert not verdict.met


def test_bench_scaffold_judges_what_is_ours() -> None:
    steps = [Step("install", 20.0, 18.0), Step("make train", 10.0, 4.0)]
    ours, slow = (
        Journey("trainyard", 0, steps, 2.5),
        Journey("trainyard", 0, [*steps, Step("make predict", 40.0, 40.0)]),
    )
    assert ours.own == 5.5
    verdicts = [*report.verdicts([ours], 200, [0.8, 2.0, 0.9]), *report.verdicts([slow], 200, [])]
    assert [verdict.met for verdict in verdicts] == [True, False, True, False, False]
    assert report.best([Journey("trainyard", 0, steps[:1], stopped="x"), slow, ours]) is ours


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/x/bin/uv pip install a", True), ("/x/.venv/bin/python -m venv .venv", True),
        ("/x/bin/python /x/bin/pip install a", True), ("/venv/bin/python /home/prepare.py a b", True),
        ("/x/.venv/bin/python -P -X pycache_prefix=b -m trainyard train", False), ("make train", False),
        ("python train.py", False),
    ],
)  # fmt: skip
def test_bench_scaffold_knows_an_installer(line: str, expected: bool) -> None:
    assert installs(line.split()) is expected


@pytest.mark.nightly
def test_bench_retrain_measures_a_job_and_the_answers(tmp_path: Path) -> None:
    options = f"--engine process --models logisticRegression --rate 20 --seconds 2 --out {tmp_path / 'out'}"
    printed = make("bench-retrain", f"OPTIONS={options}")
    found = json.loads((tmp_path / "out" / "retrain.json").read_text())
    (job,) = found["jobs"]
    assert job["total"] > job["training"] > 0
    assert len(found["get"]) == 40
    assert (tmp_path / "out" / "retrain.md").read_text().strip() in printed


@pytest.mark.nightly
def test_bench_ci_measures_changes_against_all(tmp_path: Path) -> None:
    printed = make("bench-ci", f"OPTIONS=--models 4 --repeats 1 --out {tmp_path / 'out'}")
    found = json.loads((tmp_path / "out" / "ci.json").read_text())
    assert {case: [(job["affected"], job["built"], job["trained"]) for job in jobs]
            for case, jobs in found["jobs"].items()} == {
        "all of them": [(0, 8, 4)], "an edit of one model": [(1, 2, 1)], "the same commit again": [(1, 0, 0)],
        "shared code of a project": [(4, 8, 4)], "shared code of all, planned": [(4, 0, 0)], "docs alone": [(0, 0, 0)],
    }  # fmt: skip
    pushed = {case: jobs[0]["pushed"] for case, jobs in found["jobs"].items()}
    assert pushed["all of them"]["dvc"] > pushed["an edit of one model"]["dvc"] > 0
    assert pushed["an edit of one model"]["git"] > 0
    assert not any(pushed["the same commit again"].values()) and not any(pushed["docs alone"].values())
    met = {one["what"].partition(", in ")[0]: one["met"] for one in found["verdicts"]}
    assert met["an edit of one model, bytes pushed"] is False, "of four models, one is more than a thirtieth"
    assert met["an edit of one model"] and met["the same commit again"] and met["docs alone"]
    assert (tmp_path / "out" / "ci.md").read_text().strip() in printed


def test_bench_ci_says_what_is_missed() -> None:
    whole, one = Job({"make build-all": 300.0}, pushed=Bytes(10, 20, 290)), Bytes(1, 2, 7)
    edit = Job({"make affected": 2.0, "make ci-train": 8.0}, 4.0, 1, 2, 1, one)
    nothing, built = Job({"make affected": 0.5}), Job({"make affected": 0.5}, built=3)
    found = {
        ci_report.ALL: [whole], ci_report.EDIT: [edit], ci_report.AGAIN: [built], ci_report.PROJECT: [built],
        ci_report.DOCS: [nothing],
    }  # fmt: skip
    verdicts = list(ci_report.judged(found, "process", 9))
    assert ci_report.text(found, verdicts, "process", 9).splitlines()[-7:] == [
        "- an edit of one model, seconds: 1/30.0 of all (under 1/30: MISSED)",
        "- an edit of one model, bytes pushed: 1/32.0 of all (under 1/30: reached)",
        "- make affected, the longest: 2.00 s (under 2 s: MISSED)",
        "- an edit of one model: 2 built, 1 trained, 10 bytes pushed (2 built, 1 trained: reached)",
        "- shared code of a project: 3 built (18 built, 9 trained: MISSED)",
        "- the same commit again, in 0.5 s: 3 built (nothing: MISSED)",
        "- docs alone, in 0.5 s: nothing (nothing: reached)",
    ]
