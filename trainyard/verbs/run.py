"""make train, predict, stop, logs, shell: from an image to a container."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from pathlib import Path

from trainyard import console
from trainyard.builder_files import Role
from trainyard.client import wait_until_ready
from trainyard.engines.base import Engine, Mount, RunPlan
from trainyard.errors import EXIT_BAD_INPUT, EXIT_FAILED, TrainyardError
from trainyard.model_dir import ModelDir
from trainyard.verbs.build import build_all, build_model
from trainyard.verbs.mounts import all_mounts, models_folder
from trainyard.verbs.session import Session

LAST_LINES = 20  # of a crashed container's log


def train(session: Session, model: ModelDir) -> None:
    """Run the train image: a binary and its record in the project's models/."""
    payload = _payload(session, model)
    _need_dataset(model, str(payload.get("$ref", "")))
    image = _ensure_image(session, model, "train")
    env = {"PAYLOAD": json.dumps(payload), "TRAIN": "1", "TRAINYARD_COMMIT": session.repository.commit()}
    mounts = (Mount(model.project / "data", "data"), Mount(models_folder(model.project), "models"))
    name = f"{image}-{os.getpid()}"  # two trainings of one model at once do not get into each other's way
    status = session.engine.run(RunPlan(image, name, "train", model.name, env, mounts))
    if status in (EXIT_FAILED, EXIT_BAD_INPUT):
        sys.exit(status)  # the runner has said why
    if status:
        raise TrainyardError(f"training {model.name} was ended (status {status})", "", EXIT_FAILED)


def predict(session: Session, model: ModelDir) -> None:
    """Run the predict image: in the foreground, or with DETACH=1 until it is ready."""
    image = _ensure_image(session, model, "predict")
    env = {"MODEL_NAME": model.model_name}
    mounts = (Mount(models_folder(model.project), "models", read_only=True),)
    paths = [route.path for route in model.routes]
    serve(session, _serving(session, image, model.name, env, mounts), paths)


def predict_all(session: Session, folder: Path) -> None:
    """Build and run the ``all`` image."""
    image = build_all(session, folder)
    mounts, routes = all_mounts(session, folder, image)
    name = session.short(folder).removeprefix("projects/")
    serve(session, _serving(session, image, name, {}, mounts), [route.path for route in routes])


def serve(session: Session, plan: RunPlan, paths: list[str]) -> None:
    """Start a server, say where it is, and stay until it ends (DETACH=0) or is ready (DETACH=1)."""
    _need_port(session, plan)
    url = f"http://{'127.0.0.1' if plan.bind == '0.0.0.0' else plan.bind}:{plan.port}"  # noqa: S104
    for path in paths:
        console.step(f"POST {url}/{path}")
    if not session.settings.detach:
        console.step("Ctrl-C stops it")
        _serve_attached(session.engine, plan)
        return
    session.engine.start(plan)
    if session.commands.dry_run:
        return
    _wait(session, plan, url)
    console.step(f"{plan.name} is ready; stop it with make stop")


def stop(session: Session, name: str) -> bool:
    """Stop a container on whichever engine has it."""
    stopped = [engine.name for engine in session.engines() if engine.stop(name)]
    for engine in stopped:
        console.step(f"Stopped {name} ({engine})")
    return bool(stopped)


def stop_everything(session: Session) -> None:
    """Stop every server of ours."""
    for engine in session.engines():
        for server in engine.running():
            engine.stop(server.name)
            console.step(f"Stopped {server.name} ({engine.name})")


def holder_of(session: Session, name: str) -> Engine:
    """The engine on which the container of that name is, for its logs; else the chosen one."""
    for engine in session.engines():
        if engine.alive(name):
            return engine
    return session.engine


def shell(session: Session, model: ModelDir, role: Role) -> int:
    """An interactive shell in a model's image, with its folders mounted."""
    image = _ensure_image(session, model, role)
    mounts = (Mount(model.project / "data", "data"), Mount(models_folder(model.project), "models"))
    return session.engine.shell(RunPlan(image, f"{image}-shell-{os.getpid()}", role, model.name, {}, mounts))


def _serving(session: Session, image: str, model: str, env: dict[str, str], mounts: tuple[Mount, ...]) -> RunPlan:
    settings = session.settings
    workers = {"WORKERS": str(settings.workers)} if settings.workers else {}
    limits = {"STOP_TIMEOUT": str(settings.stop_timeout)}
    return RunPlan(image, image, "predict", model, env | workers | limits, mounts, settings.bind, settings.port)


def _serve_attached(engine: Engine, plan: RunPlan) -> None:
    try:
        status = engine.run(plan)
    except KeyboardInterrupt:
        console.step(f"Stopped {plan.name}")
        return
    if status not in (0, 130, 143):
        raise TrainyardError(f"{plan.name} ended with status {status}: see above", exit_code=EXIT_FAILED)


def _wait(session: Session, plan: RunPlan, url: str) -> None:
    try:
        with console.waiting(f"Waiting for {plan.name} ..."):
            wait_until_ready(url, lambda: session.engine.alive(plan.name), session.settings.ready_timeout)
    except TrainyardError:
        for text in session.engine.last_lines(plan.name, LAST_LINES):
            console.line(f"    {text}")
        session.engine.stop(plan.name)
        raise


def _ensure_image(session: Session, model: ModelDir, role: Role) -> str:
    """The image's name; it is built where it is missing."""
    image = model.image(role)
    if session.commands.dry_run or image in session.engine.images():
        return image
    console.step(f"There is no image {image} yet, so it is built first")
    return build_model(session, model, role)


def _payload(session: Session, model: ModelDir) -> dict[str, object]:
    """The default payload, with PAYLOAD merged over it."""
    payload: dict[str, object] = {"$ref": model.dataset_name, "model_name": model.model_name}
    if not session.settings.payload:
        return payload
    mend = """write a JSON object: PAYLOAD='{"key": "value"}'"""
    try:
        given = json.loads(session.settings.payload)
    except ValueError as error:
        raise TrainyardError(f"PAYLOAD is not JSON: {error}", mend) from None
    if not isinstance(given, dict):
        raise TrainyardError(f"PAYLOAD is a JSON {type(given).__name__}, not an object", mend)
    return payload | given


def _need_dataset(model: ModelDir, name: str) -> None:
    path = model.project / name
    if "://" in name or path.is_file():
        return
    there = sorted(file.name for file in (model.project / "data").glob("*.csv"))
    raise TrainyardError(
        f"{path}: no such dataset",
        f"name one with DATASET_NAME=data/<file>; there are {', '.join(there) or 'none in data/'}",
    )


def _need_port(session: Session, plan: RunPlan) -> None:
    """A port in use is said before anything is started, with its holder where that is ours."""
    if session.commands.dry_run:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plan.bind, plan.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise TrainyardError(f"PORT={plan.port}: {error.strerror}", "choose another: PORT=5112") from None
        else:
            return
    held = [(server, engine) for engine in session.engines() for server in engine.running() if server.port == plan.port]
    if held:
        server, engine = held[0]
        which = f" MODEL={server.model}" if "/" in server.model else ""
        raise TrainyardError(
            f"port {plan.port} is in use by {server.name} ({server.model}, {engine.name})",
            f"make stop{which}, or choose another: PORT={plan.port + 1}",
        )
    raise TrainyardError(f"port {plan.port} is in use", f"choose another: PORT={plan.port + 1}")
