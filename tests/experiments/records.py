"""Runs as trainings leave them, without training."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

from trainyard.host.experiments.run_files import Run, new_run

TIME = 1_795_277_245_000


def kept_run(project: Path, steps: int = 3, factor: float = 2.0, **facts: Any) -> Run:
    """A run that has ended well and kept its model."""
    metrics = facts.pop("metrics", {})
    tags = {"dataset": "data/numbers.csv", "dataset_sha256": "d" * 64, **facts.pop("tags", {})}
    run = new_run(project, f"{project.name}/m", "m", tags=tags, **facts)
    binary = pickle.dumps({"factor": factor, "run": run.id})
    record = {"model_name": "m", "sha256": hashlib.sha256(binary).hexdigest(), "python": "3.11.7"}
    compiled = f"onnx of {factor}".encode()
    record["compiled"] = {"sha256": hashlib.sha256(compiled).hexdigest()}
    folder = run.path("model")
    folder.mkdir()
    (folder / "m.pkl").write_bytes(binary)
    (folder / "m.json").write_text(json.dumps(record))
    (folder / f"m.{record['compiled']['sha256'][:12]}.onnx").write_bytes(compiled)
    run.path("record.json").write_text(json.dumps(record))
    run.path("log.txt").write_text("trained\n")
    points = [{"name": "loss", "value": 1 / (step + 1), "step": step, "time": TIME + step} for step in range(steps)]
    run.path("metrics.jsonl").write_text("".join(f"{json.dumps(point)}\n" for point in points))
    return run.ended("finished", metrics=metrics)
