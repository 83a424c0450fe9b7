"""A model's sample, and whether an answer is one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.network import http_client as client
from trainyard.host.operations.serve import served_url
from trainyard.host.operations.session import Session


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


@dataclass(frozen=True)
class Asked:
    """A route, its answer to the model's sample, and what is wrong with that; empty where it is a good one."""

    url: str
    answer: client.Answer
    problem: str


def ask_routes(session: Session, model: ModelDir) -> Iterator[Asked]:
    """Post a model's sample to each of its routes, where this machine's server has them.

    Raises:
        TrainyardError: there is no sample, or nothing answers.
    """
    body, rows = read_sample(model)
    for route in model.routes:
        url = f"{served_url(session.settings)}/{route.path}"
        answer = client.post(url, body, session.settings.request_timeout, session.settings.api_token)
        asked = Asked(url, answer, judge(answer, rows))
        what = f"POST {url} -> {answer.status} in {answer.seconds * 1000:.1f} ms"
        session.reporter.step(f"{what}: {'FAILED' if asked.problem else 'ok'}")
        yield asked


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
