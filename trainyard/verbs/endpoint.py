"""make test-endpoint, test-all: posts each model's sample to its routes and judges the answer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainyard import client, console
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.model_dir import ModelDir
from trainyard.repository import all_members
from trainyard.verbs.serving import served_url
from trainyard.verbs.session import Session


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
            console.step(f"POST {url} -> {answer.status} in {answer.seconds * 1000:.1f} ms: {mark}")
            console.result(json.dumps(answer.body, indent=2) if not isinstance(answer.body, str) else answer.body)
            if problem:
                problems.append(f"{url}: {problem}")
    if problems:
        raise TrainyardError("; ".join(problems), "see make logs", EXIT_FAILED)


def read_sample(model: ModelDir) -> tuple[bytes, int]:
    """A model's sample request and its number of instances."""
    try:
        body = model.sample.read_bytes()
        instances = json.loads(body)["payload"]["instances"]
        rows = len(instances) if isinstance(instances[0], list) else 1
    except FileNotFoundError:
        raise TrainyardError(f"{model.sample}: no such file", "write one request body there") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        raise TrainyardError(
            f"{model.sample}: not a request body", 'write {"payload": {"instances": [[...], ...]}}'
        ) from None
    return body, rows


def judge(answer: client.Answer, rows: int) -> str:
    """What is wrong with an answer; empty where it is a good one: 200, and a finite prediction for each instance."""
    if not isinstance(answer.body, dict) or not isinstance(payload := answer.body.get("payload"), dict):
        return f"status {answer.status} and no message: does another server listen there?"
    if answer.status != 200 or payload.get("success") is False:
        return f"status {answer.status}: {payload.get('error', 'no reason given')}"
    predictions = payload.get("predictions", payload.get("scores"))
    if not isinstance(predictions, list):
        return "the answer has neither predictions nor scores"
    if len(predictions) != rows:
        return f"{len(predictions)} predictions for {rows} instances"
    if any(_empty(value) for value in predictions):
        return "a prediction is null or not a finite number"
    return ""


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))
