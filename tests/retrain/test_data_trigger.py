"""A watched dataset: a training is asked for when its store has another version."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from monorepo import Model
from waiting import until

from retrain.watched import Watched, at, ticked
from trainyard.host.monorepo.model_dir import ModelDir

MODEL = "sums/one"


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    found = Watched(tmp_path)
    (tmp_path / "lake/tables").mkdir(parents=True)
    (found.repo.path / "datastores.yaml").write_text(f"lake:\n  url: file://{tmp_path}/lake\n")
    return found


def put(folder: Path, name: str, text: str) -> None:
    (folder / "lake/tables" / name).write_text(text)


def on_data(watched: Watched, name: str, dataset: str = "lake:tables/latest.csv") -> Model:
    model = watched.model(name, "{on_data: true}")
    model.replace("Makefile", "data/numbers.csv", dataset)
    return model


def test_a_newer_file_of_a_store_asks_for_a_training(watched: Watched, tmp_path: Path) -> None:
    put(tmp_path, "train_v1.csv", "a\n1\n")
    on_data(watched, "one")
    watcher = watched.watcher()
    for _ in range(3):
        ticked(watcher)
    assert watched.asked == [], watched.warnings  # as it was found
    put(tmp_path, "train_v2.csv", "a\n1\n2\n")
    for _ in range(3):
        ticked(watcher)
    assert watched.asked == [(MODEL, "data")]
    # Nothing was fetched.
    assert not list((watched.repo.path / ".trainyard").glob("data/**/*.csv"))


def test_a_file_that_changes_in_its_place_asks_too_also_over_a_restart(watched: Watched, tmp_path: Path) -> None:
    put(tmp_path, "people.csv", "a\n1\n")
    on_data(watched, "one", "lake:tables/people.csv")
    ticked(watched.watcher())
    put(tmp_path, "people.csv", "a\n1\n2\n")  # while the service was down
    ticked(watched.watcher())
    ticked(watched.watcher())
    assert watched.asked == [(MODEL, "data")]


def test_training_data_of_config_yaml_is_watched(watched: Watched, tmp_path: Path) -> None:
    put(tmp_path, "numbers.csv", "a\n1\n")
    model = watched.repo.add_model("one")
    (model.path / "config.yaml").write_text("training: {data: 'lake:tables'}\nretrain: {on_data: true}\n")
    watcher = watched.watcher()
    ticked(watcher)
    put(tmp_path, "numbers.csv", "a\n1\n2\n")
    ticked(watcher)
    assert watched.asked == [(MODEL, "data")], watched.warnings


def test_a_training_that_was_not_taken_is_asked_for_again(watched: Watched, tmp_path: Path) -> None:
    put(tmp_path, "train_v1.csv", "a\n1\n")
    on_data(watched, "one")
    watcher = watched.watcher()
    ticked(watcher)
    put(tmp_path, "train_v2.csv", "a\n1\n2\n")
    watched.refuses = "1000 jobs wait already"
    ticked(watcher)
    ticked(watcher)
    assert watched.warnings == ["sums/one: data: 1000 jobs wait already: wait"]
    watched.refuses = ""
    ticked(watcher)
    ticked(watcher)
    assert watched.asked == [(MODEL, "data")]


def test_data_that_cannot_be_found_is_named_once_and_other_models_go_on(watched: Watched, tmp_path: Path) -> None:
    put(tmp_path, "train_v1.csv", "a\n1\n")
    on_data(watched, "one")
    on_data(watched, "gone", "lake:nowhere/people.csv")
    watched.model("own", "{on_data: true}")
    watcher = watched.watcher()
    for _ in range(3):
        ticked(watcher)
    put(tmp_path, "train_v2.csv", "a\n1\n2\n")
    ticked(watcher)
    assert watched.asked == [(MODEL, "data")]
    assert sorted(line.split(": ")[0] for line in watched.warnings) == ["sums/gone", "sums/own"], watched.warnings
    assert any("data/numbers.csv is a file of the repository" in line for line in watched.warnings)


def test_a_store_that_is_slow_holds_up_nothing_else(watched: Watched, tmp_path: Path) -> None:
    on_data(watched, "slow")
    on_data(watched, "one")
    watched.model("scheduled", "{schedule: 0 * * * *, on_data: true}")
    go_on, looks = threading.Event(), []

    def version(model: ModelDir) -> str:
        looks.append(model.name)
        if model.name != MODEL:
            go_on.wait(60)
        return f"v{looks.count(MODEL)}"

    watcher = watched.watcher(version)
    began = time.monotonic()
    for hour in range(3):
        watcher.tick(at("2026-11-30 00:30") + timedelta(hours=hour))
        until(lambda count=hour + 1: looks.count(MODEL) == count)  # type: ignore[misc]
        until(lambda: not watcher.wait(0) and _ended(watcher, MODEL))
    assert time.monotonic() - began < 30
    assert watched.asked.count((MODEL, "data")) == 2
    assert watched.asked.count(("sums/scheduled", "schedule")) == 2
    assert looks.count("sums/slow") == 1  # the first look goes on still
    go_on.set()
    assert watcher.wait(30)


def _ended(watcher: object, model: str) -> bool:
    return not watcher._looks[f"{model}: data"][0].is_alive()  # type: ignore[attr-defined]


def test_between_two_looks_is_the_time_of_the_setting(watched: Watched) -> None:
    on_data(watched, "one")
    looks: list[str] = []
    watcher = watched.watcher(lambda model: str(looks.append(model.name)), poll=3600)
    for _ in range(3):
        ticked(watcher)
    assert looks == [MODEL]


def test_started_it_looks_by_itself_until_it_is_closed(watched: Watched, tmp_path: Path) -> None:
    put(tmp_path, "train_v1.csv", "a\n1\n")
    on_data(watched, "one")
    watcher = watched.watcher()
    watcher.start()
    until(lambda: watched.store().get("data sums/one"))
    put(tmp_path, "train_v2.csv", "a\n1\n2\n")
    until(lambda: watched.asked == [(MODEL, "data")])
    watcher.close()
    assert not watcher._ticking or not watcher._ticking.is_alive()
