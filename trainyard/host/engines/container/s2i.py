"""Building through the real s2i, where it is installed. It drives the docker engine only."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.engines.base import BuildPlan
from trainyard.host.engines.build_errors import CAUSES
from trainyard.host.support.command import Commands, Limit
from trainyard.settings.host import EngineSettings

PROGRAM = "s2i"
METADATA = ".s2i/image_metadata.json"
# It asks a registry for labels of an image that is here, and says so; harmless.
NOISE = ("WARNING: could not inspect the builder image", "Checking if image")


def chosen(settings: EngineSettings, engine: str) -> bool:
    """Whether images are built by s2i: BUILDER says so, or it is installed.

    Raises:
        TrainyardError: BUILDER asks for what is not there, or is neither s2i nor builtin.
    """
    possible = engine == "docker" and shutil.which(PROGRAM) is not None
    if settings.builder == "s2i" and not possible:
        why = "s2i drives docker only" if engine != "docker" else "s2i is not on PATH"
        raise TrainyardError(f"BUILDER=s2i with ENGINE={engine}: {why}", "unset BUILDER, or say BUILDER=builtin")
    if settings.builder not in ("", "s2i", "builtin"):
        raise TrainyardError(f"BUILDER={settings.builder}: no such way to build", "say BUILDER=s2i or BUILDER=builtin")
    return possible and settings.builder != "builtin"


def build(commands: Commands, limit: Limit, plan: BuildPlan, builder: str, labels: Mapping[str, str]) -> None:
    """``s2i build`` of the plan's context; the dependencies are in ``builder``, so it needs no network.

    s2i takes labels from a file that assemble leaves; see ``docs/new_labels.md`` of its sources.
    """
    commands.reporter.step(f"Building {plan.image} with s2i on {builder} ...")
    with tempfile.TemporaryDirectory(prefix="trainyard-context-") as name:
        plan.context.write(Path(name))
        metadata = {"labels": [{key: value} for key, value in labels.items()]}
        (Path(name) / METADATA).write_text(json.dumps(metadata))
        commands.stream(
            [PROGRAM, "build", "--copy", name, builder, plan.image, "--pull-policy", "never", "--network", "none"],
            limit,
            noise=NOISE,
            causes=CAUSES,
        )
