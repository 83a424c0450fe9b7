"""Virtual environments, trained models and fitted pipelines: made once, kept below .trainyard/bench/."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import uv

from bench.serving.servers import MODELS, PEERS, PROJECT, ROOT, Rows, Server

STATE = ROOT / ".trainyard" / "bench"
DATASET = ROOT / "projects" / PROJECT / "data" / "adult_income-prepped.csv"
LABEL = "income"
TRAIN = """
import importlib, json, sys
from trainyard.contract.message import Message
module, name = sys.argv[1:]
train = importlib.import_module(module)
train.train(Message(payload={"$ref": "data/adult_income-prepped.csv", "model_name": name}))
print(json.dumps(train.DEFAULTS))
"""


def run(argv: list[str], cwd: Path | None = None, **env: str) -> str:
    """Run a step of the preparation; ends the program where it fails."""
    done = subprocess.run(argv, cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(argv[:4])} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def make_venv(server: Server) -> Path:
    """The server's virtual environment."""
    venv = STATE / "venvs" / server.venv_name.replace(" ", "-").replace(",", "")
    if not server.requirements or (venv / "complete").exists():
        return venv
    program = uv.find_uv_bin()
    run([program, "venv", "--quiet", "--clear", "--python", f"{sys.version_info[0]}.{sys.version_info[1]}", str(venv)])
    run([program, "pip", "install", "--quiet", "--python", str(venv / "bin/python"), *server.requirements])
    (venv / "complete").touch()
    return venv


def train(model: str, venv: Path) -> dict[str, Any]:
    """Train one of our models, once; the parameters that it was trained with."""
    folder, name = MODELS[model]
    work = STATE / "trained"
    known = work / f"{name}.parameters.json"
    if not known.exists():
        (work / "models").mkdir(parents=True, exist_ok=True)
        if not (work / "data").exists():
            (work / "data").symlink_to(DATASET.parent)
        path = f"{ROOT}:{ROOT / 'projects'}"
        script = [str(venv / "bin/python"), "-c", TRAIN, f"{PROJECT}.{folder}.train", name]
        known.write_text(run(script, work, PYTHONPATH=path).splitlines()[-1])
    return dict(json.loads(known.read_text()))


def fit_pipeline(server: Server, venv: Path, model: str, parameters: dict[str, Any]) -> Path:
    """What a peer serves, fitted with its own libraries, once; ours lies where ``train`` left it."""
    if server.name.startswith("trainyard"):
        return STATE / "trained" / "pipeline.joblib"  # beside models/; there is no such file
    path = STATE / "pipelines" / server.venv_name / f"{model}.joblib"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        script = str(PEERS / "pipeline.py")
        run([str(venv / "bin/python"), script, model, str(DATASET), json.dumps(parameters), str(path)])
    return path


def working_folder(server: Server, model: str) -> Path:
    """An empty folder for the server to be started in."""
    folder = STATE / "run" / f"{server.name}-{model}".replace(" ", "-").replace(",", "")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def read_rows(count: int) -> tuple[Rows, list[str]]:
    """The first rows of the dataset without their label, and the names of their columns."""
    with DATASET.open(newline="") as file:
        reader = csv.DictReader(file)
        columns = [name for name in reader.fieldnames or () if name != LABEL]
        rows = [[_value(row[name]) for name in columns] for row, _ in zip(reader, range(count), strict=False)]
    return rows, columns


def _value(text: str) -> float | str:
    try:
        return int(text)
    except ValueError:
        return text
