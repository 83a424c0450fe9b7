"""BAKE=1 over the command line of docker or podman: binaries on top of an image of the same sources without them.

That image is kept, as ``<image>:sources``: where only a binary has changed, nothing but the last layer is made anew.
Nothing is run in the container, so nothing but the binaries can be in the layer.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace

from trainyard import console
from trainyard.baking import described, write_tar
from trainyard.builder_files import APP_ROOT
from trainyard.engines.assembling import Assembler
from trainyard.engines.base import LABEL_BAKED, BuildPlan
from trainyard.engines.leftovers import new_name

SOURCES = "sources"


def sources_image(image: str) -> str:
    """What an image with binaries is made on."""
    return f"{image}:{SOURCES}"


def without_binaries(plan: BuildPlan) -> BuildPlan:
    """How the image below is built."""
    labels = {key: value for key, value in plan.labels.items() if key != LABEL_BAKED}
    return replace(plan, image=sources_image(plan.image), baked=(), labels=labels)


def bake(assembler: Assembler, plan: BuildPlan, labels: Mapping[str, str]) -> None:
    """Put the binaries of ``plan`` on the image of its sources."""
    console.step(f"Putting {', '.join(file.path.name for file in plan.baked)} into {plan.image} ...")
    name, run, limit = assembler.name, assembler.commands.run, assembler.limit
    container = new_name()
    # podman gives what is copied to the container's user, unless told not to; docker leaves it as it is in the tar.
    copy = [name, "cp", *(["--archive=false"] if name == "podman" else []), "-", f"{container}:{APP_ROOT[plan.role]}"]
    edits = [f"ENV BAKED_MODELS={json.dumps(described(plan.baked))}"]
    named = {"io.k8s.display-name": plan.image, **labels}  # all others are the sources' own
    edits += [f"LABEL {key}={json.dumps(value)}" for key, value in named.items()]
    with tempfile.TemporaryFile() as files:
        write_tar(plan.baked, files)
        files.seek(0)
        with assembler.noted(container):
            run([name, "create", "--name", container, sources_image(plan.image)], limit)
            run(copy, limit, stdin=files)
            assembler.commit(container, plan.image, edits)
