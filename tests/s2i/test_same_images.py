"""s2i and the builtin builder make the same image of a model directory."""

from __future__ import annotations

from typing import Any

import pytest
from images import ROOT, config, docker, inside, run

MODEL = "finance_income_prediction/logisticRegression"
APP_ROOT = {"train": "/model", "predict": "/action"}
# Where the sources came from: s2i writes the temporary folder that it was given, which is gone.
MAY_DIFFER = ("io.openshift.s2i.build.source-location",)
# Registries' names are left out by us and spelled out by s2i.
REGISTRY = "docker.io/"
COMPARED = ("User", "Cmd", "Entrypoint", "WorkingDir", "ExposedPorts", "Volumes", "Shell", "StopSignal", "Healthcheck")


def facts(image: str, root: str) -> dict[str, Any]:
    """Everything that a user of the image could notice."""
    found = config(image)
    owners = "find . -printf '%P %y %#m %U:%G %l\\n' | sort"
    contents = "find . -type f -print0 | sort -z | xargs -0 sha256sum"
    files = inside(image, f"cd {root} && {owners} && {contents}", "--user", "0")
    labels = {key: value.removeprefix(REGISTRY) for key, value in found["Labels"].items() if key not in MAY_DIFFER}
    return {
        **{key: found.get(key) or None for key in COMPARED},
        "Labels": {key: value.removesuffix(":latest") for key, value in labels.items()},
        "Env": sorted(found["Env"]),
        "files": files.splitlines(),
    }


@pytest.mark.parametrize("role", [pytest.param("train", marks=pytest.mark.nightly), "predict"])
def test_files_user_command_environment_and_labels(workshop, role):
    image = workshop.name(f"same-{role}")
    seen = {}
    for builder in ("s2i", "builtin"):
        done = run(
            ["make", f"build-{role}", f"MODEL={MODEL}", f"CONTAINER_NAME={image.removesuffix('-' + role)}"],
            cwd=ROOT, env={"BUILDER": builder, "ENGINE": "docker"},
        )  # fmt: skip
        assert done.status == 0, done.output
        assert (f"Building {image} with s2i" in done.output) == (builder == "s2i")
        seen[builder] = facts(image, APP_ROOT[role])
        docker("rmi", "--force", image)

    assert len(seen["s2i"]["files"]) > 20
    assert seen["builtin"] == seen["s2i"]
