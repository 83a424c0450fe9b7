"""make predict, stop, logs, shell: from an image to a container."""

from __future__ import annotations

import os
from pathlib import Path

from trainyard.host.engines.base import Mount, RunPlan
from trainyard.host.experiments.parameters import environment_of
from trainyard.host.monorepo.model_dir import ModelDir, Role
from trainyard.host.operations import servers
from trainyard.host.operations.build import all_image
from trainyard.host.operations.image_to_run import image_to_run
from trainyard.host.operations.mounts import models_folder
from trainyard.host.operations.serve import container_name
from trainyard.host.operations.serve_model import serve_merged, serve_model
from trainyard.host.operations.servers import holder_of, stop
from trainyard.host.operations.serving_plans import models_of
from trainyard.host.operations.session import Session
from trainyard.host.verbs.computes import logs_of_run


def predict(session: Session, model: ModelDir) -> None:
    """Run the predict image: in the foreground, or with DETACH=1 until it is ready."""
    serve_model(session, model)


def predict_all(session: Session, folder: Path) -> None:
    """Run the ``all`` image."""
    serve_merged(session, folder)


def follow_version(session: Session, model: ModelDir) -> None:
    """Until the server is gone: serve the version that the alias VERSION leads to."""
    from trainyard.host.operations import served_version  # the registry's client takes a second to import

    if folder := session.experiments.version_folder:
        served_version.follow_into(session, model, Path(folder))
    else:
        served_version.follow(session, model)


def stop_model(session: Session, model: ModelDir) -> None:
    """Stop a model's server."""
    _stop_or_say(session, model.image("predict"))


def stop_all(session: Session, folder: Path) -> None:
    """Stop the server of an ``all/`` folder."""
    _stop_or_say(session, all_image(session, folder))


def _stop_or_say(session: Session, name: str) -> None:
    if not stop(session, name):
        session.reporter.step(f"{name} does not run")


def stop_everything(session: Session, _: Path) -> None:
    """Stop every server of this monorepo."""
    servers.stop_everything(session)


def logs_of_model(session: Session, model: ModelDir) -> None:
    """Print what a model's server in the background has logged; with ID what that run has printed."""
    if session.experiments.run_id:
        logs_of_run(session, model.path)
        return
    _logs(session, model.image("predict"))


def logs_of_all(session: Session, folder: Path) -> None:
    """Print what the server of an ``all/`` folder has logged."""
    _logs(session, all_image(session, folder))


def _logs(session: Session, name: str) -> None:
    """All of it; with FOLLOW=1 also what comes."""
    name = container_name(name)
    holder_of(session, name).logs(name, session.settings.follow)


def shell(session: Session, model: ModelDir) -> int:
    """An interactive shell in a model's predict image, with its folders mounted."""
    role: Role = "predict"
    image = image_to_run(session, model, role)
    mounts, env = models_of(session, image, (Mount("models", models_folder(session, model.project)),), [model])
    env = {**environment_of(model), **env}
    mounts = (Mount("datasets", model.project / "data"), *mounts)
    name = f"{image.name}-shell-{os.getpid()}"
    return session.engine.runner.shell(RunPlan(image.name, name, role, model.name, env, mounts, image_id=image.id))
