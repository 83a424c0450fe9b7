"""The section ``retrain:`` of config.yaml, and what ``make check`` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from monorepo import Monorepo

from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import read_config

WHOLE = """
retrain:
  schedule: 30 2 * * 1-5
  time_zone: Europe/Berlin
  on_data: true
  on_drift: {server: "http://127.0.0.1:5111/", threshold: 1000, of: age}
  network: true
  deploy: true
"""


def write(folder: Path, text: str) -> Path:
    (folder / "config.yaml").write_text(text)
    return folder


def test_the_whole_section(tmp_path: Path) -> None:
    section = read_config(write(tmp_path, WHOLE)).retrain
    assert (section.schedule, section.zone.key) == ("30 2 * * 1-5", "Europe/Berlin")
    assert section.on_drift is not None
    assert (section.on_drift.server, section.on_drift.threshold, section.on_drift.of) == (
        "http://127.0.0.1:5111", 1000, "age",
    )  # fmt: skip
    assert section.on_data and section.network and section.deploy and section.has_trigger


def test_without_it_nothing_is_watched_and_nothing_allowed(tmp_path: Path) -> None:
    section = read_config(write(tmp_path, "params: {a: 1}\n")).retrain
    assert not section.has_trigger and not section.network and not section.deploy


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("retrain:\n  schedul: 1\n", 2, ["retrain.schedul", "did you mean schedule?"]),
        ("retrain:\n  on_data: true\n  schedule: 61 * * * *\n", 3, ["retrain.schedule", "bad minute", "30 2 * * *"]),
        ("retrain:\n  schedule: 0 25 * * *\n", 2, ["bad hour"]),
        ("retrain:\n  schedule: '@daily'\n", 2, ["five fields"]),
        ("retrain:\n  schedule: 0 0 2 * * *\n", 2, ["five fields"]),
        ("retrain:\n  schedule: 0 0 30 2 *\n", 2, ["bad day-of-month"]),
        ("retrain:\n  schedule: 0 0 31 4,6 *\n", 2, ["bad day-of-month"]),
        ("retrain:\n  schedule: 5\n", 2, ["retrain.schedule", "valid string"]),
        ("retrain:\n  schedule: 0 0 * * *\n  time_zone: Europe/Berln\n", 3, ["no such time zone", "Europe/Berlin"]),
        ("retrain:\n  schedule: 0 0 * * *\n  time_zone: ../../etc/passwd\n", 3, ["no such time zone"]),
        ("retrain:\n  time_zone: UTC\n", 1, ["there is no schedule"]),
        ("retrain:\n  on_data: lake:tables\n", 2, ["retrain.on_data", "valid boolean"]),
        ("retrain:\n  on_drift: true\n", 2, ["retrain.on_drift", "write names and values below it"]),
        ("retrain:\n  on_drift:\n    threshold: 5\n", 2, ["retrain.on_drift.server", "required"]),
        ("retrain:\n  on_drift:\n    server: http://h\n    threshold: 0\n", 4, ["retrain.on_drift.threshold"]),
        ("retrain:\n  on_drift:\n    server: localhost:5111\n    threshold: 1\n", 3, ["not the URL of a server"]),
        ("retrain:\n  on_drift:\n    server: http://h:x\n    threshold: 1\n", 3, ["not the URL of a server"]),
        ("retrain:\n  on_drift:\n    server: http://h?a=1\n    threshold: 1\n", 3, ["remove what begins with ?"]),
        ("retrain:\n  network: 1\n", 2, ["retrain.network"]),
        ("retrain: true\n", 1, ["retrain", "write names and values below it"]),
    ],
)
def test_mistakes_name_line_key_and_fix(tmp_path: Path, text: str, line: int, parts: list[str]) -> None:
    with pytest.raises(TrainyardError) as caught:
        read_config(write(tmp_path, text))
    output = str(caught.value)
    assert output.startswith(f"{tmp_path / 'config.yaml'}:{line}: "), output
    assert "\n" not in output
    for part in parts:
        assert part in output, output


def test_a_password_of_a_server_is_not_shown(tmp_path: Path) -> None:
    text = "retrain:\n  on_drift: {server: 'http://me:hidden@h', threshold: 1}\n"
    with pytest.raises(TrainyardError, match="no place in a repository") as caught:
        read_config(write(tmp_path, text))
    assert "hidden" not in str(caught.value)


def test_make_check_reports_a_mistake(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    model = repo.add_model("plain")
    write(model.path, WHOLE)
    repo.make(model, "check").succeeded()
    write(model.path, "params: {}\nretrain:\n  schedule: every day\n")
    made = repo.make(model, "check")
    assert made.status != 0
    assert "config.yaml:3: error: retrain.schedule: a schedule has five fields" in made.out + made.err
