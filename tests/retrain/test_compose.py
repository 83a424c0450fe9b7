"""The compose file: both servers as images, PostgreSQL, an object store, a champion that is served. All real."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import ask
from needs import need
from waiting import until

from retrain.composed import MODEL, OURS, SERVICES, UID, WEBHOOK, Composed, composed

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker"), pytest.mark.timeout(900)]
ROWS = b'{"payload": {"instances": [[1, 2]]}}'
KILLED = 137


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    for program in ("docker", "docker-compose", "versitygw"):
        need(program)
    with composed(tmp_path_factory.mktemp("composed") / "repo") as found:
        yield found


def predicted(compose: Composed) -> list[float] | None:
    """What the server of the champion answers; None while there is no champion."""
    try:
        status, text = ask(compose.champion, "m0/predict", ROWS)
    except OSError:
        return None
    found: list[float] | None = json.loads(text)["payload"]["predictions"] if status == 200 else None
    return found


def test_one_job_after_the_other_becomes_the_champion_that_is_served(compose: Composed) -> None:
    job = compose.succeeded(json.loads(compose.run_next("curl "))["id"])
    assert job["promoted"], job
    until(lambda: predicted(compose) == [0.0], 120, compose.logs)
    # As the older service was asked; it ends when the new champion is served.
    status, text = compose.ask("/retrain", {
        "experiment_name": "sums", "git_uri": "", "MLproject_location": f"projects/{MODEL}", "commit_hash": "main",
        "dataset_uri": "", "base_model": "", "params": {"x": 2.0}, "deploy": True,
    })  # fmt: skip
    assert status == 202, text
    second = compose.succeeded(json.loads(text)["id"])
    assert second["promoted"] and second["version"] != job["version"], second
    assert predicted(compose) == [6.0]
    check_trainings(compose, second["id"])


def check_trainings(compose: Composed, job_id: str) -> None:
    """No secret of a service reaches what trains, and it can write where it should alone."""
    log = compose.ask(f"/jobs/{job_id}/log")[1]
    seen = json.loads(next(line for line in log.splitlines() if "seen:" in line).partition("seen:")[2])
    assert seen["uid"] == int(UID)
    assert not seen["writable"]
    assert not seen["sockets"]
    for secret in (*compose.secrets.values(), WEBHOOK, compose.token, "postgresql://"):
        assert secret not in json.dumps(seen["environment"]), secret
        assert secret not in log


def test_other_repositories_are_refused(compose: Composed) -> None:
    status, text = compose.ask("/retrain", {"git_uri": "https://github.com/octocat/Hello-World.git"})
    assert (status, "RETRAIN_SOURCES" in text) == (403, True), text


def test_nobody_asks_without_the_token(compose: Composed) -> None:
    assert ask(compose.port, "jobs")[0] == 401


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_confined(compose: Composed, service: str) -> None:
    found = compose.inspected(service)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    if service in OURS:
        assert found["Config"]["User"] == f"{UID}:0"
    assert found["Config"]["User"] not in ("root", "0")
    for mount in found["Mounts"]:
        assert "docker" not in mount["Destination"] and ".sock" not in mount["Source"], mount
        assert mount["Destination"] != "/source" or not mount["RW"]


def test_only_who_needs_a_secret_has_it(compose: Composed) -> None:
    has = {
        name: {service for service in SERVICES if value in json.dumps(compose.inspected(service)["Config"])}
        for name, value in compose.secrets.items()
    }
    assert has["POSTGRES_PASSWORD"] == {"database", "tracker", "retrain"}
    assert has["OBJECT_STORE_SECRET"] == {"objects", "tracker"}


def test_an_unchanged_image_is_not_built_again(compose: Composed) -> None:
    again = compose.repo.make(None, "track-image", "retrain-image").succeeded()
    assert "trainyard/track is up to date" in again.err
    assert "trainyard/retrain is up to date" in again.err


def test_an_image_alone_takes_docker_s_env_file(compose: Composed, tmp_path: Path) -> None:
    """Which keeps the quotes around values. The root file system is read-only, the uid has no name."""
    (tmp_path / "settings").write_text('TRACK_ARTIFACTS="s3://team/runs"\nMLFLOW_TRACKING_URI=""\n')
    confined = f"--read-only --user {UID}:0 --cap-drop ALL --network none --tmpfs /tmp --volume /var/lib/trainyard"
    command = ["docker", "run", "--rm", *confined.split(), "--env-file", str(tmp_path / "settings"), "trainyard/track"]
    done = subprocess.run([*command, "-n", "track"], capture_output=True, text=True, check=False)
    assert "MLFLOW_ARTIFACTS_DESTINATION=s3://team/runs" in done.stdout, done


def test_a_monorepo_that_is_not_there_is_said(compose: Composed) -> None:
    options = "--read-only --network none --tmpfs /tmp --volume /var/lib/trainyard"
    command = ["docker", "run", "--rm", *options.split(), "trainyard/retrain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: /source: cannot be cloned: mount a git repository")


def test_they_end_when_they_are_asked_to(compose: Composed) -> None:
    """The last: of this module's tests, which share what is up."""
    compose.compose("stop")
    for service in SERVICES:
        state = compose.inspected(service)["State"]
        assert not state["Running"] and state["ExitCode"] != KILLED, (service, state)
    compose.run_next("cd deploy/compose && docker-compose down")
    assert not compose.commands, "commands of the page that nothing runs"
