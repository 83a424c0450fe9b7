"""A model's sample, and whether an answer is one."""

from __future__ import annotations

import json
import math
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.network import http_client as client


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
