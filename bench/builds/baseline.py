"""The baseline: the real s2i with a classic assemble script, on the same base image as ours."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from pathlib import Path

from bench.builds.copies import run, timed
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.sources import model_context
from trainyard.host.network.build_settings import ca_bundle, index_environment
from trainyard.host.requirements.requirement_files import model_requirement
from trainyard.host.support.product import BUILDER_SOURCES
from trainyard.settings.host import HostSettings

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
    """Seconds of one build of a model's image.

    It stays until `remove`: ext4 is slow for minutes after many files were deleted, what is measured next would pay.
    """
    with tempfile.TemporaryDirectory(prefix="trainyard-bench-") as name:
        model_context(model, model_requirement(model, role).text, "").write(Path(name))
        runtime = (BUILDER_SOURCES / "base" / "requirements.txt").read_text()
        with (Path(name) / "requirements.txt").open("a") as file:
            file.write("\n" + runtime)
        image = f"{IMAGE}-{secrets.token_hex(4)}"
        return timed(["s2i", "build", "--copy", name, BUILDER, image, "--pull-policy", "never", *_network()])


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
    """Everything that the baseline has made, also in a run that was interrupted."""
    filters = [part for name in (BUILDER, f"{IMAGE}-*") for part in ("--filter", f"reference={name}")]
    if made := run(["docker", "images", "--quiet", *filters]).split():
        run(["docker", "rmi", "--force", *made])


def need() -> str:
    """Why there can be no baseline; empty where there can."""
    missing = [program for program in ("docker", "s2i") if not shutil.which(program)]
    return f"{' and '.join(missing)} is not on PATH" if missing else ""
