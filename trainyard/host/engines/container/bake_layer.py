"""BAKE=1 over the command line of docker or podman: binaries on top of an image of the same sources without them.

That image is kept, as ``<image>:sources``: where only a binary has changed, nothing but the last layer is made anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace

from trainyard.host.build.baked_files import LABEL_BAKED, described, write_tar
from trainyard.host.build.builder_files import APP_ROOT
from trainyard.host.engines.base import BuildPlan
from trainyard.host.engines.container.assembling import Assembler

SOURCES = "sources"


def sources_image(image: str) -> str:
    """What an image with binaries is made on."""
    return f"{image}:{SOURCES}"


def without_binaries(plan: BuildPlan, labels: Mapping[str, str]) -> BuildPlan:
    """How the image below is built."""
    own = {key: value for key, value in labels.items() if key != LABEL_BAKED}
    return replace(plan, image=sources_image(plan.image), baked=(), labels=lambda: own)


def bake(assembler: Assembler, plan: BuildPlan, labels: Mapping[str, str], sources: str) -> str:
    """Put the binaries of ``plan`` on the image of its sources, whose id is given; the id of what it becomes."""
    entries = dict.fromkeys(file.name.partition("/")[0] for file in plan.baked)
    assembler.reporter.step(f"Putting {', '.join(entries)} into {plan.image} ...")
    edits = assembler.assigned("ENV", {"BAKED_MODELS": described(plan.baked)})
    named = {"io.k8s.display-name": plan.image, **labels}  # all others are the sources' own
    edits += assembler.assigned("LABEL", named)
    with tempfile.TemporaryFile() as files:
        write_tar(plan.baked, files)
        files.seek(0)
        return assembler.add(sources, plan.image, files, APP_ROOT[plan.role], edits)
