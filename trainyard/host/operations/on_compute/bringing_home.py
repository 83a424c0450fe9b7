"""What a training on a compute wrote, fetched, verified and put where a training here would have left it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from trainyard.contract import run_folder
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import Compute
from trainyard.host.engines.base import RunPlan
from trainyard.host.operations.session import Session
from trainyard.host.support.command import Limit
from trainyard.host.support.shared_folder import SharedFolder

FETCHED = ".fetched"  # in the run's folder, until all of it is in its place


def bring_home(session: Session, compute: Compute, plan: RunPlan, run: Path, task: str, model: Path) -> None:
    """Fetch what ``task`` wrote into the folders of ``plan``. Nothing of models/ changes before all of it is here, and
    is what was written there; ``model`` is the folder of the model.

    Raises:
        TrainyardError: it did not arrive, or there is no space.
    """
    arrived = run / FETCHED
    shutil.rmtree(arrived, ignore_errors=True)
    try:
        compute.fetch(task, arrived)
        _put_in_run(arrived / run_folder.MOUNT, run)
        models = next(mount.folder for mount in plan.mounts if mount.what == "models")
        _publish(session, arrived / "models", models.parent, model, run)
    finally:
        shutil.rmtree(arrived, ignore_errors=True)


def _put_in_run(arrived: Path, run: Path) -> None:
    folder = SharedFolder.of_run(run)
    try:
        for name, _ in SharedFolder(arrived.parent, arrived.name).files():
            if "/" in name:
                folder.make_folder(name.rpartition("/")[0])
            with (arrived / name).open("rb") as content:
                folder.put(name, content)
    except OSError as error:
        raise TrainyardError(f"{error.filename or run}: {error.strerror}", "make room", EXIT_FAILED) from None


def _publish(session: Session, arrived: Path, project: Path, model: Path, run: Path) -> None:
    """As a training here publishes: the train runner does it, in a process of its own."""
    try:
        record = SharedFolder.of_run(run).read_json(run_folder.RECORD)
    except (OSError, ValueError):  # it has failed, and says so itself
        return
    name = str(record.get("model_name") or "")
    environment = model / ".s2i" / "environment"
    session.commands.stream(
        [sys.executable, "-m", "trainyard.image.train", "publish", *map(str, (project, arrived, name, environment))],
        Limit("COPY_TIMEOUT", session.computing.copy_timeout),
    )
