"""What a train function tells of itself while it runs: metrics by step, tags, what its report is drawn from.

`make train` mounts the run's folder at ``run/``; where there is none (a container that was started by hand) all this
does nothing. Lines are appended whole, so a training that is killed leaves what it had written.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainyard.contract import run_folder
from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError

RUN = Path(run_folder.MOUNT)


def is_run() -> bool:
    """Whether anybody will read what is reported."""
    return RUN.is_dir()


def log_metrics(metrics: Mapping[str, float], step: int = 0) -> None:
    """Report metrics as they are at ``step`` (an epoch, an iteration, a number of trees; 0 or more).

    Raises:
        TrainyardError: a name that is empty, or a value that is not a number.
    """
    if not is_run():
        return
    moment = int(time.time() * 1000)
    lines = [
        json.dumps({"name": _name(name), "value": _number(name, value), "step": int(step), "time": moment})
        for name, value in metrics.items()
    ]
    _append(RUN / run_folder.METRICS, lines)


def log_metric(name: str, value: float, step: int = 0) -> None:
    """Report one metric."""
    log_metrics({name: value}, step)


def set_tag(name: str, value: object) -> None:
    """Add a tag to the run: text by which people find it again."""
    if is_run():
        _append(RUN / run_folder.TAGS, [json.dumps({"name": _name(name), "value": str(value)}, ensure_ascii=False)])


def write_evaluation(evaluation: Mapping[str, Any]) -> None:
    """What the run's report is drawn from (`trainyard.models.evaluation` makes it)."""
    if is_run():
        write_whole(RUN / run_folder.EVALUATION, json.dumps(evaluation, allow_nan=False) + "\n")


def _append(path: Path, lines: list[str]) -> None:
    """One write: two processes of a training do not get into each other's lines."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
    finally:
        os.close(descriptor)


def _name(name: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise TrainyardError(f"{name!r} cannot be the name of a metric or tag", "give it some text")
    return name


def _number(name: str, value: Any) -> float | str:
    """The value as JSON has it; it has no word for NaN and infinity, which are text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TrainyardError(f"the metric {name!r} is {value!r}, not a number", "report a float") from None
    return number if math.isfinite(number) else str(number)
