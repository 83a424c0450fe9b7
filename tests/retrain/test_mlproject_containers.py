"""Projects that name an image, in real containers: what they can do, what a hostile one cannot, how they end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from experiments.tracking import Tracking
from images import docker, ensure_builders
from needs import need
from waiting import until

from retrain.projects import PLAIN, champion, job_of, limits, tracked, tracker_at, write_project
from trainyard.errors import TrainyardError
from trainyard.host.retrain.mlprojects.job import ProjectJob, ProjectRun
from trainyard.host.retrain.mlprojects.running import run_project
from trainyard.host.support.reporter import Recording

pytestmark = pytest.mark.slow  # an MLflow server, an image, containers

IMAGE = "trainyard-test-training-container:mlflow"
ENVIRONMENT = f"docker_env:\n  image: {IMAGE} # just example"
PROGRAM = Path(__file__).with_name("service_process.py")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    need("docker")
    ensure_builders()
    context = tmp_path_factory.mktemp("image")
    wanted = f"mlflow-skinny=={metadata.version('mlflow-skinny')}"
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "pip", "install", "--quiet", "--target", str(context / "site"), wanted], check=True)
    (context / "Dockerfile").write_text("FROM trainyard/base\nCOPY site /opt/site\nENV PYTHONPATH=/opt/site\n")
    docker("build", "--quiet", "--tag", IMAGE, str(context))
    with tracked(tmp_path_factory.mktemp("tracker") / "repo") as server:
        yield server
    docker("image", "rm", "--force", IMAGE)


def run(server: Tracking, tmp_path: Path, job: ProjectJob, reporter: Recording | None = None) -> ProjectRun:
    here = limits(unconfined=False)
    return run_project(job, tracker_at(server), here, tmp_path / "state", reporter or Recording())


def test_a_prepared_repository_with_an_image(server: Tracking, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "repo", "boats", environment=ENVIRONMENT, flavor=PLAIN)
    reporter = Recording()
    first = run(server, tmp_path, job_of(folder, params={"quality": 0.5}), reporter)
    assert (first.version, first.promoted) == ("boats/1", True), reporter.noted()
    worse = run(server, tmp_path, job_of(folder, params={"quality": 0.4}))
    assert (worse.version, worse.promoted) == ("boats/2", False)
    assert champion(server.client, "boats") == 1
    assert any("/mlflow/projects/helper/mypackage/utility.py" in line for line in reporter.noted("line"))


CURIOUS = """
import os
import pathlib
import re
status = pathlib.Path("/proc/self/status").read_text()
print("capabilities", re.search(r"CapEff:\\s*(\\w+)", status)[1], "new", re.search(r"NoNewPrivs:\\s*(\\d)", status)[1])
print("variables", sorted(os.environ), flush=True)
print("mounts", pathlib.Path("/proc/self/mountinfo").read_text().count("docker.sock"))
print("secret", os.path.exists("secret"), os.listdir("."))
print("limits", pathlib.Path("/sys/fs/cgroup/pids.max").read_text().strip() if os.path.exists("/sys/fs/cgroup/pids.max")
      else pathlib.Path("/sys/fs/cgroup/pids/pids.max").read_text().strip())
"""


def test_what_a_container_sees(server: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the service, no right, no file of this machine behind a link."""
    for name in ("AWS_SECRET_ACCESS_KEY", "RETRAIN_DATABASE", "MY_CANARY"):
        monkeypatch.setenv(name, "canary-7d1f")
    (tmp_path / "outside").write_text("canary-7d1f")
    folder = write_project(tmp_path / "repo", "curious", environment=ENVIRONMENT, train=CURIOUS)
    (folder / "secret").symlink_to(tmp_path / "outside")
    reporter = Recording()
    run(server, tmp_path, job_of(folder), reporter)
    text = "\n".join(reporter.noted("line"))
    assert "capabilities 0000000000000000 new 1" in text
    assert "secret False" in text
    assert "mounts 0" in text
    assert "limits 2048" in text
    assert "canary" not in text
    assert not re.search(r"AWS_|RETRAIN_|CANARY", text)


def test_a_command_stays_in_the_container(server: Tracking, tmp_path: Path) -> None:
    """MLflow has a shell of this machine read the command of an image."""
    folder = write_project(tmp_path / "repo", "escaping", environment=ENVIRONMENT)
    (folder / "MLproject").write_text(
        f"name: x\n{ENVIRONMENT}\nentry_points:\n  main:\n    parameters: {{a: {{type: string, default: 1}}}}\n"
        f"    command: |\n      echo {{a}}; touch {tmp_path}/one\n      touch {tmp_path}/two && echo $(touch "
        f"{tmp_path}/three; hostname) | tee /tmp/four; ls -d {tmp_path} || echo is not here\n"
    )
    reporter = Recording()
    evil = f"$(touch {tmp_path}/five); touch {tmp_path}/six ' \" `touch {tmp_path}/seven`"
    run(server, tmp_path, job_of(folder, params={"a": evil}), reporter)
    assert "is not here" in reporter.noted("line")
    assert evil in reporter.noted("line")
    assert {path.name for path in tmp_path.iterdir()} == {"repo", "state"}


def test_an_image_that_is_nowhere(server: Tracking, tmp_path: Path) -> None:
    """It is looked for, for a time at most, and no run is begun."""
    for image in ("trainyard-test-of-nowhere:1", "127.0.0.1:9/nowhere:1"):
        folder = write_project(tmp_path / image[-11:-2], "nowhere", environment=f"docker_env:\n  image: {image}")
        with pytest.raises(TrainyardError, match=rf"the image {image} is not here and cannot be pulled") as caught:
            run(server, tmp_path, job_of(folder, experiment_name="nowhere"))
        assert "\n" not in str(caught.value)
    assert not server.runs("nowhere")


STUBBORN = """
import signal
import subprocess
import time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
other = subprocess.Popen(["sleep", "617.3"])
print("begun", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("environment", [ENVIRONMENT, ""], ids=["container", "process"])
def test_a_job_that_is_cancelled_ends_at_once(server: Tracking, tmp_path: Path, environment: str) -> None:
    """SIGTERM to the process of the job; the training ignores it."""
    folder = write_project(tmp_path / "repo", "stubborn", environment=environment, train=STUBBORN)
    name, log = f"cancel-{len(environment)}", tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), name, server.url, str(tmp_path / "state")],
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        until(lambda: "line: begun" in log.read_text(), 120, log.read_text)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 5, log.read_text()
    assert not docker("ps", "--quiet", "--all", "--filter", f"label=trainyard.project={name}")
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"617.3" in _content(path)]
    found = re.search(r"^run: (\w+)$", log.read_text(), re.MULTILINE)
    assert found
    assert server.client.get_run(found[1]).info.status == "KILLED"
    assert not (tmp_path / "state" / "mlprojects" / name).exists()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def test_what_a_killed_job_has_left_is_ended_by_the_next(server: Tracking, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "repo", "killed", environment=ENVIRONMENT, train=STUBBORN)
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), "killed", server.url, str(tmp_path / "state")],
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        until(lambda: "line: begun" in log.read_text(), 120, log.read_text)
        process.kill()
        process.wait()
    filters = ("--quiet", "--filter", "label=trainyard.project=killed")
    before = docker("ps", *filters)
    assert before
    (folder / "train.py").write_text("print('trained')")
    run(server, tmp_path, job_of(folder, "killed"))
    assert not docker("ps", "--all", *filters)
