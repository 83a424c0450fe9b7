"""make predict, stop, logs, shell: from an image to a container."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from trainyard import console
from trainyard.baking import files_of
from trainyard.engines.base import Engine, Mount, RunPlan
from trainyard.errors import TrainyardError
from trainyard.experiments.parameters import environment_of
from trainyard.model_dir import ModelDir, Role
from trainyard.records import is_trained
from trainyard.repository import all_members
from trainyard.verbs.build import all_image
from trainyard.verbs.image_to_run import ImageToRun, image_to_run, merged_image_to_run
from trainyard.verbs.mounts import all_mounts, models_folder
from trainyard.verbs.serving import container_name, serve, serving_plan
from trainyard.verbs.session import Session


def predict(session: Session, model: ModelDir) -> None:
    """Run the predict image: in the foreground, or with DETACH=1 until it is ready."""
    image = image_to_run(session, model, "predict")
    if session.experiments.version:
        from trainyard.verbs import served_version  # the registry's client takes a second to import

        mounts: tuple[Mount, ...] = (served_version.version_mount(session, model),)
        env = {"BAKED_MODELS": ""}
        served_version.start_following(session, model)
    else:
        own = Mount(models_folder(session, model.project), "models", read_only=True)
        mounts, env = models_of(session, image, (own,), [model])
    env = {**environment_of(model), **env, "MODEL_NAME": model.model_name}
    paths = [route.path for route in model.routes]
    serve(session, serving_plan(session, image, model.name, env, mounts), paths)


def predict_all(session: Session, folder: Path) -> None:
    """Run the ``all`` image."""
    image = merged_image_to_run(session, folder)
    mounts, routes = all_mounts(session, folder, image.name)
    models = [session.repository.model(path) for path in all_members(folder, session.repository)]
    mounts, env = models_of(session, image, mounts, models)
    env = {**_environment_of_all(models), **env}
    name = session.short(folder).removeprefix("projects/")
    serve(session, serving_plan(session, image, name, env, mounts), [route.path for route in routes])


def _environment_of_all(models: Iterable[ModelDir]) -> dict[str, str]:
    """What the models set in config.yaml. One server has one environment: the first value counts, and that is printed,
    as is a file that cannot be read; neither keeps the other models from being served."""
    found: dict[str, str] = {}
    whose: dict[str, str] = {}
    for model in models:
        try:
            own = environment_of(model)
        except TrainyardError as error:
            console.warn(f"{error}; the server starts without the environment of {model.name}")
            continue
        for name, value in own.items():
            if found.setdefault(name, value) != value:
                two = f"{found[name]} for {whose[name]} and {value} for {model.name}"
                console.warn(f"{name} is {two}: the server has {found[name]}")
            whose.setdefault(name, model.name)
    return found


def models_of(
    session: Session, image: ImageToRun, mounts: tuple[Mount, ...], models: Iterable[ModelDir]
) -> tuple[tuple[Mount, ...], dict[str, str]]:
    """What is mounted at models/, and the variables that go with it: nothing hides the binaries of a baked image,
    unless that is asked for."""
    if not image.baked:
        return mounts, {}
    if session.settings.mount:
        console.step(f"models/ is mounted over the binaries that are in {image.name} (MOUNT=1)")
        return mounts, {"BAKED_MODELS": ""}
    console.step(f"models/ is not mounted: {image.name} has its binaries in it (MOUNT=1 mounts it all the same)")
    for model in models:
        if is_trained(model.binary, links=False) and not _is_in(image, model):
            console.warn(
                f"{session.short(model.binary)} is not the one in {image.name}: build with BAKE=1 to put it in"
            )
    return (), {}


def _is_in(image: ImageToRun, model: ModelDir) -> bool:
    """Whether all files of a model are those that were baked into an image; not so if they are damaged."""
    try:
        return all(image.baked.get(file.name) == file.sha256 for file in files_of([model]))
    except TrainyardError:
        return False


def stop(session: Session, name: str) -> bool:
    """Stop a container on whichever engine has it."""
    name = container_name(name)
    stopped = [engine.name for engine in session.engines() if engine.stop(name)]
    for engine in stopped:
        _say(session, f"Stopped {name} ({engine})")
    return bool(stopped)


def stop_model(session: Session, model: ModelDir) -> None:
    """Stop a model's server."""
    _stop_or_say(session, model.image("predict"))


def stop_all(session: Session, folder: Path) -> None:
    """Stop the server of an ``all/`` folder."""
    _stop_or_say(session, all_image(session, folder))


def _stop_or_say(session: Session, name: str) -> None:
    if not stop(session, name):
        console.step(f"{name} does not run")


def stop_everything(session: Session, _: Path) -> None:
    """Stop every server of this monorepo."""
    for engine in session.engines():
        for server in engine.running():
            if server.root == str(session.repository.root):
                engine.stop(server.name)
                _say(session, f"Stopped {server.name} ({engine.name})")


def holder_of(session: Session, name: str) -> Engine:
    """The engine on which the container of that name is, for its logs; else the chosen one."""
    for engine in session.engines():
        if engine.alive(name):
            return engine
    return session.engine


def logs_of_model(session: Session, model: ModelDir) -> None:
    """Print what a model's server in the background has said."""
    _logs(session, model.image("predict"))


def logs_of_all(session: Session, folder: Path) -> None:
    """Print what the server of an ``all/`` folder has said."""
    _logs(session, all_image(session, folder))


def _logs(session: Session, name: str) -> None:
    """All of it; with FOLLOW=1 also what comes."""
    name = container_name(name)
    holder_of(session, name).logs(name, session.settings.follow)


def shell(session: Session, model: ModelDir) -> int:
    """An interactive shell in a model's predict image, with its folders mounted."""
    role: Role = "predict"
    image = image_to_run(session, model, role)
    mounts, env = models_of(session, image, (Mount(models_folder(session, model.project), "models"),), [model])
    env = {**environment_of(model), **env}
    mounts = (Mount(model.project / "data", "data"), *mounts)
    name = f"{image.name}-shell-{os.getpid()}"
    return session.engine.shell(RunPlan(image.name, name, role, model.name, env, mounts, image_id=image.id))


def _say(session: Session, text: str) -> None:
    """A step that was done, unless it was only shown."""
    if not session.commands.dry_run:
        console.step(text)
