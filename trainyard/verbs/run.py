"""make predict, stop, logs, shell: from an image to a container."""

from __future__ import annotations

import os
from pathlib import Path

from trainyard import console
from trainyard.engines.base import Engine, Mount, RunPlan
from trainyard.model_dir import ModelDir, Role
from trainyard.verbs.build import all_image, build_all, build_model, is_baked, warn_if_stale
from trainyard.verbs.mounts import all_mounts, models_folder
from trainyard.verbs.serving import container_name, serve, serving_plan
from trainyard.verbs.session import Session


def predict(session: Session, model: ModelDir) -> None:
    """Run the predict image: in the foreground, or with DETACH=1 until it is ready."""
    image = ensure_image(session, model, "predict")
    if session.experiments.version:
        from trainyard.verbs import served_version  # the registry's client takes a second to import

        mounts: tuple[Mount, ...] = (served_version.version_mount(session, model),)
        env = {"BAKED_MODELS": ""}
        served_version.start_following(session, model)
    else:
        own = Mount(models_folder(session, model.project), "models", read_only=True)
        mounts, env = models_of(session, image, (own,))
        if mounts and not model.binary.is_file():
            console.warn(f"{session.short(model.binary)}: no such binary yet, so its routes answer 503: make train")
    env |= {"MODEL_NAME": model.model_name}
    paths = [route.path for route in model.routes]
    serve(session, serving_plan(session, image, model.name, env, mounts), paths)


def predict_all(session: Session, folder: Path) -> None:
    """Build and run the ``all`` image."""
    image = build_all(session, folder)
    mounts, routes = all_mounts(session, folder, image)
    mounts, env = models_of(session, image, mounts)
    name = session.short(folder).removeprefix("projects/")
    serve(session, serving_plan(session, image, name, env, mounts), [route.path for route in routes])


def models_of(session: Session, image: str, mounts: tuple[Mount, ...]) -> tuple[tuple[Mount, ...], dict[str, str]]:
    """What is mounted at models/, and the variables that go with it: nothing hides the binaries of a baked image,
    unless that is asked for."""
    if not is_baked(session, image):
        return mounts, {}
    if session.settings.mount:
        console.step(f"models/ is mounted over the binaries that are in {image} (MOUNT=1)")
        return mounts, {"BAKED_MODELS": ""}
    console.step(f"models/ is not mounted: {image} has its binaries in it (MOUNT=1 mounts it all the same)")
    return (), {}


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
    image = ensure_image(session, model, role)
    mounts, env = models_of(session, image, (Mount(models_folder(session, model.project), "models"),))
    mounts = (Mount(model.project / "data", "data"), *mounts)
    return session.engine.shell(RunPlan(image, f"{image}-shell-{os.getpid()}", role, model.name, env, mounts))


def ensure_image(session: Session, model: ModelDir, role: Role) -> str:
    """The image's name; it is built where it is missing."""
    image = model.image(role)
    if session.commands.dry_run:
        return image
    if session.engine.built([image]) and not (session.settings.bake and role == "predict"):
        warn_if_stale(session, model, role, image)
        return image
    if not session.settings.bake:
        console.step(f"There is no image {image} yet, so it is built first")
    return build_model(session, model, role)


def _say(session: Session, text: str) -> None:
    """A step that was done, unless it was only shown."""
    if not session.commands.dry_run:
        console.step(text)
