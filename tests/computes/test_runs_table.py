"""make runs and make run-show: where each run is."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from monorepo import Monorepo


def put_run(repo: Monorepo, name: str, compute: str) -> None:
    folder = repo.path / "projects" / "sums" / "runs" / name
    folder.mkdir(parents=True)
    facts = {"model": "sums/one", "model_name": "one", "status": "running", "started": "2026-01-01T00:00:00+00:00"}
    (folder / "run.json").write_text(json.dumps({**facts, "host": "elsewhere", "compute": compute}))


def test_where_runs_are(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    model = repo.add_model("one")
    put_run(repo, "20260101-000000-one-aaaaaa", "")
    here = repo.make(model, "runs").succeeded().out.splitlines()
    assert "COMPUTE" not in here[0]
    put_run(repo, "20260101-000001-one-bbbbbb", "lab")
    header, *lines = (line.split() for line in repo.make(None, "runs").succeeded().out.splitlines())
    column = header.index("COMPUTE")
    assert [line[column] for line in lines] == ["lab", "-"]
    found = json.loads(repo.make(None, "runs", "FORMAT=json").succeeded().out)
    assert [run["compute"] for run in found] == ["lab", ""]
    rows = csv.DictReader(io.StringIO(repo.make(None, "runs", "FORMAT=csv").succeeded().out))
    assert [row["compute"] for row in rows] == ["lab", ""]
    assert ["compute", "lab"] in [line.split() for line in repo.make(model, "run-show").succeeded().out.splitlines()]
