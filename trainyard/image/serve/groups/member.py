"""``python -m trainyard.image.serve.groups.member``: the daemon of one group of models, as ``parent`` starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from trainyard.contract.environment import read_environment
from trainyard.contract.groups import groups_of
from trainyard.contract.routes import routes_of
from trainyard.image.serve.http.access import check_access
from trainyard.image.serve.shared import kernel
from trainyard.image.serve.shared.other_groups import Neighbours
from trainyard.image.serve.shared.worker_limits import WorkerLimits
from trainyard.image.user_code import prepare_path
from trainyard.settings.image import ImageSettings


def main(arguments: list[str]) -> int:
    """Serve the routes of one group until a signal says stop; everything that can be wrong was seen by the parent."""
    from trainyard.image.serve.running import run  # with the packages of this environment, which may be broken

    path, known, listener, limits = arguments
    environment = read_environment(Path(path))
    groups = groups_of(environment)
    neighbours = Neighbours.inherit(routes_of(environment), groups, known)
    settings = ImageSettings.read()
    check_access(settings)
    for descriptor in (int(listener), *neighbours.descriptors):
        os.set_inheritable(descriptor, False)  # what a predict function starts does not need them
    kernel.end_with_parent()
    prepare_path(Path.cwd(), [route.module for route in groups[neighbours.number]])
    accepting = socket.socket(fileno=int(listener))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    asked, cores, memory = json.loads(limits)
    return run(
        groups[neighbours.number], settings, accepting,
        limits=WorkerLimits(asked, cores, memory), neighbours=neighbours,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
