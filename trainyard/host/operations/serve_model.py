"""Serving a model, or the models of an all/ folder: its image, built where need be, its binaries, its environment."""

from __future__ import annotations

from pathlib import Path

from trainyard.host.engines.base import Mount
from trainyard.host.experiments.parameters import environment_of
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.repository import all_members
from trainyard.host.operations.image_to_run import image_to_run, merged_image_to_run
from trainyard.host.operations.mounts import all_mounts, models_folder
from trainyard.host.operations.serve import serve, serving_plan
from trainyard.host.operations.serving_plans import environment_of_all, models_of
from trainyard.host.operations.session import Session


def serve_model(session: Session, model: ModelDir) -> str:
    """Run the predict image: in the foreground, or with DETACH=1 until it is ready; the URL of the server.

    Raises:
        TrainyardError: as ``serve``; or there is no image, and none can be built.
    """
    image = image_to_run(session, model, "predict")
    if session.experiments.version:
        from trainyard.host.operations import served_version  # the registry's client takes a second to import

        mounts: tuple[Mount, ...] = (served_version.version_mount(session, model),)
        env = {"BAKED_MODELS": ""}
        served_version.start_following(session, model)
    else:
        own = Mount("models", models_folder(session, model.project), read_only=True)
        mounts, env = models_of(session, image, (own,), [model])
    env = {**environment_of(model), **env, "MODEL_NAME": model.model_name}
    paths = [route.path for route in model.routes]
    return serve(session, serving_plan(session, image, model.name, env, mounts), paths)


def serve_merged(session: Session, folder: Path) -> str:
    """Run the image of an ``all/`` folder; returns and raises likewise."""
    image = merged_image_to_run(session, folder)
    mounts, routes = all_mounts(session, folder, image.name)
    models = [session.repository.model(path) for path in all_members(folder, session.repository)]
    mounts, env = models_of(session, image, mounts, models)
    env = {**environment_of_all(session, models), **env}
    name = session.short(folder).removeprefix("projects/")
    return serve(session, serving_plan(session, image, name, env, mounts), [route.path for route in routes])
