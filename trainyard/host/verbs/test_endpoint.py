"""make test-endpoint, test-all: posts each model's sample to its routes and judges the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.repository import all_members
from trainyard.host.network import http_client as client
from trainyard.host.operations.endpoint import judge, read_sample
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
        body, rows = read_sample(model)
        for route in model.routes:
            url = f"{served_url(session.settings)}/{route.path}"
            if session.commands.dry_run:
                console.result(f"curl -d @{model.sample} {url}")
                continue
            answer = client.post(url, body, session.settings.request_timeout, session.settings.api_token)
            problem = judge(answer, rows)
            mark = "FAILED" if problem else "ok"
            session.reporter.step(f"POST {url} -> {answer.status} in {answer.seconds * 1000:.1f} ms: {mark}")
            console.result(json.dumps(answer.body, indent=2) if not isinstance(answer.body, str) else answer.body)
            if problem:
                problems.append(f"{url}: {problem}")
    if problems:
        raise TrainyardError("; ".join(problems), "see make logs", EXIT_FAILED)
