"""make ci-test: the models that a change touches are served, and asked for predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from trainyard.contract.records import is_trained
from trainyard.contract.routes import came_trained
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.ci.dvc_calls import Dvc, find_dvc
from trainyard.host.ci.one_by_one import Done, done
from trainyard.host.ci.touched import touched_images
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.endpoint import ask_routes
from trainyard.host.operations.serve import first_free_port
from trainyard.host.operations.serve_model import serve_model
from trainyard.host.operations.servers import stop
from trainyard.host.operations.session import Session


def try_touched(session: Session, seconds: int) -> Iterator[Done]:
    """Serve each model whose images changed since SINCE, and post its sample; one that fails stops no other. A binary
    that is not here is fetched by DVC, where its project has a pipeline; ``seconds`` are those of one such call.

    Raises:
        TrainyardError: git does not say what changed.
    """
    names = touched_images(session)
    dvc = find_dvc(session.repository.root, seconds, session.reporter) if names else None
    for name in names:
        yield done(session.reporter, name, partial(_tried, session, name, dvc))


def _tried(session: Session, name: str, dvc: Dvc | None) -> str:
    """Raises:
    TrainyardError: it does not serve, or an answer is not a good one."""
    model = session.repository.model(session.repository.root / "projects" / name)
    if session.commands.dry_run:
        session.reporter.would(f"serve {name}, and post {session.short(model.sample)}")
        return ""
    if missing := _missing_binary(session, model, dvc):
        return f"{name}: not tested: {missing}"
    bind = "127.0.0.1"
    port = first_free_port(bind, session.settings.port)
    session = session.but(settings=replace(session.settings, detach=True, bind=bind, port=port))
    serve_model(session, model)
    try:
        problems = [f"{asked.url}: {asked.problem}" for asked in ask_routes(session, model) if asked.problem]
    finally:
        stop(session, model.image("predict"))
    if problems:
        raise TrainyardError("; ".join(problems), exit_code=EXIT_FAILED)
    return f"{name}: ok"


def _missing_binary(session: Session, model: ModelDir, dvc: Dvc | None) -> str:
    """Why there is nothing to serve; empty where there is."""
    if came_trained(model.environment) or is_trained(model.binary, links=False):
        return ""
    stage = dvc.stage_of(model) if dvc else ""
    if dvc and stage:
        try:
            dvc.fetch([stage])
        except TrainyardError as error:  # a fork has no secrets
            return str(error)
    if is_trained(model.binary, links=False):
        return ""
    return f"{session.short(model.binary)} is not here, and no pipeline of DVC has it"
