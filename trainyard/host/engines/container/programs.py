"""Images of our own servers: a dependency image with a program on top. They are no models, and have no s2i scripts."""

from __future__ import annotations

import json
import shlex

from trainyard.host.engines.base import BuildPlan, ProgramPlan
from trainyard.host.engines.container import images
from trainyard.host.engines.container.assembling import Assembler, Todo
from trainyard.host.engines.container.base_images import IDENTITY, Base
from trainyard.host.engines.container.cache import NAME
from trainyard.host.engines.container.leftovers import remove_image_later
from trainyard.host.support.digests import digest_of

USER = "1001"  # any other uid of group 0 can run it, too
# Compiled once: at run time the file system is read-only, and each job imports it anew.
PLACE = (
    "umask 0022; cp -R /tmp/src {folder}; rm -r /tmp/src; "
    "PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash {folder}/trainyard; "
    "mkdir -p {writable}; chown {user}:0 {writable}; chmod 0775 {writable}"
)


def build(assembler: Assembler, base: Base, plan: ProgramPlan) -> bool:
    """Build the image of a server, unless one of the same plan is there; whether there was something to build."""
    below = BuildPlan(plan.image, "predict", plan.context, plan.lock, plan.setup)
    place = PLACE.format(folder=plan.folder, writable=shlex.join(plan.writable), user=USER)
    changes = _changes(assembler, plan)
    identity = digest_of(images.dependencies_hash(base, below), plan.context.sha256, place, *changes)
    there = assembler.built([plan.image]).get(plan.image)
    if there and there.labels.get(IDENTITY) == identity and not assembler.settings.force:
        return False
    installed = images.ensure_installed(assembler, base, below)
    labels = {IDENTITY: identity, NAME: plan.image}
    built = assembler.assemble(
        installed, plan.image, plan.context, [*changes, *assembler.assigned("LABEL", labels)], Todo(place)
    )
    if there and built and there.id != built:
        remove_image_later(assembler.name, there.id)
    return True


def _changes(assembler: Assembler, plan: ProgramPlan) -> list[str]:
    """What the image says of how it is run."""
    return [
        f"ENTRYPOINT {json.dumps(plan.command)}",
        f"CMD {json.dumps(plan.arguments)}",
        f"USER {USER}",
        f"WORKDIR {plan.writable[0]}",
        f"EXPOSE {plan.port}",
        *assembler.assigned("ENV", plan.environment),
    ]
