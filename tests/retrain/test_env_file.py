"""Settings of servers from .env: on a machine, and where a champion is served that make predict has not started."""

from __future__ import annotations

from pathlib import Path

import pytest
from monorepo import Monorepo

from trainyard.errors import TrainyardError
from trainyard.host.retrain.work.deploying import named_servers


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    repo = Monorepo(tmp_path_factory.mktemp("repo"))
    (repo.path / ".env").write_text(
        "TRACK_DATABASE=\"postgresql://me:pa$$word@db/name\"\nTRACK_ARTIFACTS=s3://bucket/runs\nRETRAIN_PORT='6123'\n"
        'RETRAIN_JOBS=""\nMLFLOW_TRACKING_URI=""\nexport webhook_url=json://127.0.0.1:9/x # a comment\n'
    )
    return repo


def test_both_servers_read_it(repo: Monorepo) -> None:
    shown = repo.make(None, "track", "-n").succeeded().out
    assert "MLFLOW_ARTIFACTS_DESTINATION=s3://bucket/runs" in shown
    assert "MLFLOW_BACKEND_STORE_URI=postgresql://db/name" in shown
    assert ":6123, 2 jobs at once" in repo.make(None, "retrain-service", "-n").succeeded().out


def test_the_environment_and_the_command_line_win(repo: Monorepo) -> None:
    assert ":6124," in repo.make(None, "retrain-service", "-n", RETRAIN_PORT="6124").succeeded().out
    assert ":6125," in repo.make(None, "retrain-service", "-n", "RETRAIN_PORT=6125").succeeded().out


def test_one_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    (repo.path / ".env").write_bytes(b"RETRAIN_PORT=\xff\xfe\n")
    repo.make(None, "retrain-service", "-n").failed(".env", "cannot be read")


def test_images_are_no_matter_of_the_process_engine(repo: Monorepo) -> None:
    repo.make(None, "track-image", "-n").failed("trainyard/track", "ENGINE=docker")


def test_servers_of_champions_by_name() -> None:
    named = "sums/m0=http://one:5000/ sums/m1=http://two:5000 sums/m0=https://three"
    assert named_servers(named, "sums/m0") == ["http://one:5000", "https://three"]
    assert named_servers(named, "sums/m2") == []


@pytest.mark.parametrize("named", ["http://one:5000", "sums/m0=one:5000", "=http://one"])
def test_a_name_without_a_server_is_an_error(named: str) -> None:
    with pytest.raises(TrainyardError, match="RETRAIN_SERVED"):
        named_servers(named, "sums/m0")
