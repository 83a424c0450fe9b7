"""make test-endpoint, test-all: posts each model's sample to its routes and judges the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.repository import all_members
from trainyard.host.operations.endpoint import ask_routes
from trainyard.host.operations.serve import served_url
from trainyard.host.operations.session import Session
from trainyard.host.support import console


def test_model(session: Session, model: ModelDir) -> None:
    """Post one model's sample."""
    test_endpoint(session, [model])


def test_all(session: Session, folder: Path) -> None:
    """Post the sample of every model that an ``all/`` folder merges."""
    test_endpoint(session, [session.repository.model(path) for path in all_members(folder, session.repository)])


def test_endpoint(session: Session, models: Iterable[ModelDir]) -> None:
    """Post every model's sample to each of its routes; show the answers.

    Raises:
        TrainyardError: an answer that is not a good one; all routes are asked first.
    """
    problems = []
    for model in models:
        if session.commands.dry_run:
            for route in model.routes:
                console.result(f"curl -d @{model.sample} {served_url(session.settings)}/{route.path}")
            continue
        for asked in ask_routes(session, model):
            body = asked.answer.body
            console.result(body if isinstance(body, str) else json.dumps(body, indent=2))
            problems += [f"{asked.url}: {asked.problem}"] if asked.problem else []
    if problems:
        raise TrainyardError("; ".join(problems), "see make logs", EXIT_FAILED)
