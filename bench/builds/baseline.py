"""The baseline: the real s2i with a classic assemble script, on the same base image as ours."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from bench.builds.copies import run, timed
from trainyard.build_settings import ca_bundle, index_environment
from trainyard.context import model_context
from trainyard.model_dir import ModelDir
from trainyard.repository import Repository
from trainyard.settings import HostSettings

BUILDER = "trainyard-bench-classic"
CERTIFICATE = "/run/ca.pem"
CLASSIC = Path(__file__).parent / "classic"
IMAGE = "trainyard-bench-classic-app"


def make_builder() -> None:
    """The classic builder image, on what trainyard/base stands on."""
    labels = json.loads(run(["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", "trainyard/base"]))
    base = f"BASE_IMAGE={labels['trainyard.base']}"
    run(
        ["docker", "build", "--tag", BUILDER, "--build-arg", base, str(CLASSIC)], DOCKER_BUILDKIT="0"
    )  # as our own are built


def build(model: ModelDir, role: str) -> float:
    """Seconds of one build of a model's image; the image is removed."""
    repository = Repository(model.root, {})
    with tempfile.TemporaryDirectory(prefix="trainyard-bench-") as name:
        model_context(model, role, "").write(Path(name))
        runtime = (repository.package / "builders" / "base" / "requirements.txt").read_text()
        with (Path(name) / "requirements.txt").open("a") as file:
            file.write("\n" + runtime)
        seconds = timed(["s2i", "build", "--copy", name, BUILDER, IMAGE, "--pull-policy", "never", *_network()])
    run(["docker", "rmi", IMAGE])
    return seconds


def _network() -> list[str]:
    """What a classic build needs to reach the index that we reach."""
    settings = HostSettings.read()
    variables = index_environment(settings)
    options = []
    if bundle := ca_bundle(settings):
        options = ["--volume", f"{bundle}:{CERTIFICATE}:ro"]
        variables["PIP_CERT"] = CERTIFICATE
    return options + [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]


def remove() -> None:
    run(["docker", "rmi", "--force", BUILDER])


def need() -> str:
    """Why there can be no baseline; empty where there can."""
    missing = [program for program in ("docker", "s2i") if not shutil.which(program)]
    return f"{' and '.join(missing)} is not on PATH" if missing else ""
