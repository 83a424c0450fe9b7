"""make ci-test: the models that a change touches are served, and asked for predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from trainyard.contract.records import is_trained
from trainyard.contract.routes import came_trained
from trainyard.errors import ENDED_BY_SIGNAL, TrainyardError
from trainyard.host.ci.base_commit import base_commit
from trainyard.host.ci.dvc_calls import Dvc, find_dvc
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.affected_models import affected_by
from trainyard.host.operations.endpoint import ask_routes
from trainyard.host.operations.serve import first_free_port
from trainyard.host.operations.serve_model import serve_model
from trainyard.host.operations.servers import stop
from trainyard.host.operations.session import Session


@dataclass(frozen=True)
class Tried:
    """A model, and what is wrong with it. ``untried``: why nothing is known of it."""

    name: str
    problem: str = ""
    untried: str = ""


def try_touched(session: Session, seconds: int) -> Iterator[Tried]:
    """Serve each model whose images changed since SINCE, and post its sample; one that fails stops no other. A binary
    that is not here is fetched by DVC, where its project has a pipeline; ``seconds`` are those of one such call.

    Raises:
        TrainyardError: git does not say what changed.
    """
    repository = session.repository
    base = base_commit(repository.root, session.settings.since)
    names = sorted(affected_by(session, repository.changed_paths(base)).models)
    dvc = find_dvc(repository.root, seconds, session.reporter) if names else None
    for name in names:
        try:
            model = repository.model(repository.root / "projects" / name)
            yield _tried(session, model, dvc)
        except (TrainyardError, OSError) as error:
            if isinstance(error, TrainyardError) and error.exit_code in ENDED_BY_SIGNAL:
                raise
            session.reporter.warn(f"{name}: {error}")
            yield Tried(name, str(error))


def _tried(session: Session, model: ModelDir, dvc: Dvc | None) -> Tried:
    if missing := _missing_binary(session, model, dvc):
        return Tried(model.name, untried=missing)
    bind = "127.0.0.1"
    port = first_free_port(bind, session.settings.port)
    session = session.but(settings=replace(session.settings, detach=True, bind=bind, port=port))
    serve_model(session, model)
    try:
        problems = [f"{asked.url}: {asked.problem}" for asked in ask_routes(session, model) if asked.problem]
    finally:
        stop(session, model.image("predict"))
    return Tried(model.name, "; ".join(problems))


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
