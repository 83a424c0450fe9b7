"""Scores versions of one model on the same data by the same code: the ``evaluate`` function of the train module.

The host leaves each version in ``run/scored/<label>/`` (binary, record, compiled model) and finds ``run/scores.json``:

    {"<label>": {"metrics": {"<name>": <number>}} | {"error": "<one line>"}}

``evaluate`` gets the message of a training and finds the version in ``models/``, as a predict function would.
"""

from __future__ import annotations

import copy
import importlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainyard.contract.environment import read_environment
from trainyard.contract.files import write_whole
from trainyard.contract.message import Message
from trainyard.contract.run_folder import MOUNT, SCORED, SCORES
from trainyard.errors import TrainyardError
from trainyard.image.train.payload import dataset_of, read_payload
from trainyard.image.user_code import ENVIRONMENT_FILE, Target, UserFunction, prepare_path, resolve, training_target

EVALUATE = "evaluate"


def score(sources: Path, payload: str) -> None:
    """Score every version below ``run/scored``.

    Raises:
        TrainyardError: bad input, or the train module has no such function.
    """
    message = read_payload(payload)
    dataset_of(message.payload, sources)
    evaluate = _evaluate(training_target(read_environment(ENVIRONMENT_FILE)), sources)
    run = sources / MOUNT
    scores = {}
    for folder in sorted((run / SCORED).iterdir()):
        print(f"---> Scoring {folder.name} on {message.payload.get('$ref') or 'no dataset'}", flush=True)
        scores[folder.name] = _score_one(evaluate, message, sources, folder)
    write_whole(run / SCORES, json.dumps(scores) + "\n")


def _evaluate(target: Target, sources: Path) -> UserFunction:
    prepare_path(sources)
    resolve(target, sources)  # says what is wrong with the module
    found = getattr(importlib.import_module(target.module), EVALUATE, None)
    if not callable(found):
        raise TrainyardError(f"{target.module} has no function {EVALUATE}(msg)", "write one that returns the metrics")
    evaluate: UserFunction = found
    return evaluate


def _score_one(evaluate: UserFunction, message: Message, sources: Path, folder: Path) -> dict[str, Any]:
    """In a view of the sources whose ``models/`` is that version."""
    with tempfile.TemporaryDirectory(prefix="trainyard-scoring-") as name:
        view = Path(name)
        for entry in sources.iterdir():
            if entry.name not in ("models", MOUNT):
                (view / entry.name).symlink_to(entry)
        (view / "models").symlink_to(folder)
        os.chdir(view)
        try:
            return {"metrics": _numbers(evaluate(copy.deepcopy(message)))}
        except Exception as error:  # noqa: BLE001 -- the user's function, which may raise anything
            line = " ".join(str(error).split())
            return {"error": f"{type(error).__name__}: {line}" if line else type(error).__name__}
        finally:
            os.chdir(sources)


def _numbers(result: Any) -> dict[str, float | str]:
    """The metrics as JSON has them: NaN and infinity are text.

    Raises:
        TypeError: the result is not a mapping of names to numbers.
    """
    if not isinstance(result, Mapping):
        raise TypeError(f"{EVALUATE} returned {type(result).__name__}, not a mapping of metrics")
    numbers = {str(name): float(value) for name, value in result.items()}
    return {name: value if math.isfinite(value) else str(value) for name, value in numbers.items()}
