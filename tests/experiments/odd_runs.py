"""Runs as nobody wants them: what train functions, editors, full disks and other versions of us leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from experiments.records import kept_run
from trainyard.host.experiments.run_files import Run

HALF = "\udcff"  # of a character, as Python has a file name that is not UTF-8
HUGE = 10**400

# What a tracker gets as it can take it: nothing of these is an error.
TAKEN: dict[str, Callable[[Path], Run]] = {
    "pruned": lambda project: kept_run(project).ended("pruned", metrics={"loss": 1.0}),
    "killed": lambda project: kept_run(project).ended("killed", error="x\0y" * 5000),
    "not-finite": lambda project: kept_run(
        project, metrics={"a": float("nan"), "b": float("inf"), "c": -float("inf"), "d": 1.7e308, "e": 5e-324}
    ),
    "names": lambda project: kept_run(
        project, params={"": 1, " ": 2, "a\0b": 3, "../up": 4, "é" * 300: 5, "n\nl": 6}, metrics={"": 1.0, "%s/#?": 2.0}
    ),
    "texts": lambda project: kept_run(
        project, params={"nul": "a\0b", "empty": "", "none": None, "deep": [[{"a": [1]}]], "long": "x" * 20_000},
        tags={"nul": "a\0b", "description": "d\n" * 9000, "dataset": "data/" + "n" * 70_000, "empty": ""},
    ),
    "own-tags": lambda project: kept_run(
        project, tags={"mlflow.parentRunId": "nobody", "mlflow.runName": "", "trainyard.run_id": "x", "experiment": " "}
    ),
    "experiment": lambda project: kept_run(project, tags={"experiment": f"{project.name}/%2e\0é" + "x" * 600}),
    "no-parent": lambda project: kept_run(project, kind="trial", parent="gone"),
    "record": lambda project: with_file(project, "record.json", b'{"files": {"m.pkl": 7}, "packages": []}'),
    "state": lambda project: with_file(
        project, "tracking.json", b'{"%s": {"run_id": 7, "points": "many", "files": []}}'
    ),
    "points": lambda project: with_file(
        project, "metrics.jsonl",
        b'{"name": "loss", "value": "NaN", "step": 99999999999999999999, "time": -5}\n{"name": "\\udcff", "value": 1}\n'
        b'\xff\n[]\n{"name": null, "value": 1}\n{"name": "x", "value": [1]}\n{"name": "y", "value": %d}\n{"na' % HUGE,
    ),
    "file-names": lambda project: with_file(project, "plots/a b#c%2e?&é;.png", b"png"),
}  # fmt: skip

# What cannot be read as a run. The others are uploaded.
UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"id": ',
    "list": b"[]",
    "deep": b"[" * 100_000,
    "huge": b'{"metrics": {"loss": %d}}' % HUGE,
    "status": b'{"status": "dreaming"}',
    "time": b'{"started": "yesterday"}',
    "no-end": b'{"finished": ""}',
    "no-zone": b'{"started": "2026-01-01T00:00:00"}',
    "tags": b'{"tags": {"experiment": 7}}',
    "params": b'{"params": [1]}',
    "null": b'{"metrics": null}',
}


def with_file(project: Path, name: str, content: bytes) -> Run:
    run = kept_run(project)
    run.path(name).parent.mkdir(exist_ok=True)
    run.path(name).write_bytes(content)
    return run


def unreadable_run(project: Path, content: bytes) -> Path:
    """A run whose run.json is ``content``; where that is an object, it is what differs from a run that is right."""
    run = kept_run(project)
    try:
        changes = json.loads(content)
        written = json.loads(run.path("run.json").read_bytes())
        content = json.dumps(written | changes).encode() if isinstance(changes, dict) else content
    except (ValueError, RecursionError):
        pass
    run.path("run.json").write_bytes(content)
    return run.folder
