"""Runs for other programs: JSON, a line for each run, and CSV. Nothing is shortened."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from trainyard.host.experiments.run_files import Run

FACTS = ("id", "model", "model_name", "kind", "parent", "status", "started", "finished", "seconds", "error", "compute")
GROUPS = ("params", "metrics", "tags")


def as_json(runs: Sequence[Run]) -> str:
    """One array, a line for each run. A metric that is NaN or infinite is null: JSON has no word for it."""
    lines = (json.dumps(_facts(run) | {name: _finite(getattr(run, name)) for name in GROUPS}) for run in runs)
    return "[\n" + ",\n".join(lines) + "\n]" if runs else "[]"


def as_csv(runs: Sequence[Run]) -> str:
    """A header, and a line for each run: `params.<name>`, `metrics.<name>` and `tags.<name>` have a column each, which
    is empty where a run has no such value. What is neither text nor a number is JSON."""
    columns = [
        f"{group}.{name}" for group in GROUPS for name in sorted({n for run in runs for n in getattr(run, group)})
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FACTS, *columns], lineterminator="\n")
    writer.writeheader()
    for run in runs:
        named = {f"{group}.{name}": _cell(value) for group in GROUPS for name, value in getattr(run, group).items()}
        writer.writerow(_facts(run) | named)
    return text.getvalue().rstrip("\n")


def _facts(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in FACTS}


def _finite(value: Any) -> Any:
    """The same without what JSON cannot have, however deep it lies."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
