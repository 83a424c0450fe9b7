"""A model as MLflow's registry and ``mlflow.pyfunc`` know one: the files of ``runs/<id>/model/``, and an MLmodel.

MLmodel           what is in the folder: the flavor python_function, and ours, which names the files and their sha256
<name>.pkl, .json, .onnx    as in models/: what `make predict` serves
code/             the module by which mlflow.pyfunc loads it, after comparing the sha256
requirements.txt  the packages that the training had
"""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from trainyard.experiments.run_files import Run
from trainyard.model_files import compiled_name
from trainyard.run_folder import MODEL, RECORD

FLAVOR = "trainyard"
LOADER = Path(__file__).with_name("pyfunc_loader.py")
LOADED_AS = "trainyard_pyfunc_loader"


def has_model(run: Run) -> bool:
    """Whether the run has kept its binary, with a record of it."""
    return run.path(RECORD).is_file() and run.path(MODEL).joinpath(f"{run.model_name}.pkl").is_file()


def write_model_folder(run: Run, mlflow_run: str, folder: Path) -> None:
    """Put together what is uploaded. ``folder`` is empty, and somebody else removes it."""
    record = json.loads(run.path(RECORD).read_bytes())
    for path in sorted(run.path(MODEL).iterdir()):
        _link(path, folder / path.name)
    (folder / "code").mkdir()
    shutil.copyfile(LOADER, folder / "code" / f"{LOADED_AS}.py")
    packages = record.get("packages") or {}
    lines = [f"{name}=={version}\n" for name, version in sorted(packages.items()) if name != "trainyard"]
    (folder / "requirements.txt").write_text("".join(lines))
    (folder / "MLmodel").write_text(yaml.safe_dump(_mlmodel(run, mlflow_run, record), sort_keys=False))


def model_files(model_name: str, record: dict[str, Any]) -> list[tuple[str, str]]:
    """The files beside the record that a daemon needs, each with its sha256."""
    files = [(f"{model_name}.pkl", str(record["sha256"]))]
    compiled = record.get("compiled") or {}
    return files + (
        [(compiled_name(model_name, compiled["sha256"]), compiled["sha256"])] if "sha256" in compiled else []
    )


def _mlmodel(run: Run, mlflow_run: str, record: dict[str, Any]) -> dict[str, Any]:
    binary = f"{run.model_name}.pkl"
    return {
        "artifact_path": MODEL,
        "flavors": {
            "python_function": {
                "loader_module": LOADED_AS,
                "code": "code",
                "data": binary,
                "python_version": record.get("python"),
                "env": {"virtualenv": None},
            },
            FLAVOR: {
                "model": run.model,
                "model_name": run.model_name,
                "sha256": record["sha256"],
                "files": dict(model_files(run.model_name, record)),
            },
        },
        "mlflow_version": metadata.version("mlflow"),
        "model_uuid": str(record["sha256"])[:32],
        "run_id": mlflow_run,
        "utc_time_created": run.finished.replace("T", " ").partition("+")[0],
    }


def _link(source: Path, target: Path) -> None:
    """Binaries may be large: another name, where the file system can."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
