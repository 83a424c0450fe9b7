"""A model as MLflow's registry and ``mlflow.pyfunc`` know one: the files of ``runs/<id>/model/``, and an MLmodel.

MLmodel           what is in the folder: the flavor python_function, and ours, which names the files and their sha256
<name>.pkl, .json, .onnx and what else is of the model: as in models/, what `make predict` serves
code/             the module by which mlflow.pyfunc loads it, after comparing the sha256
requirements.txt  the packages that the training had
"""

from __future__ import annotations

import contextlib
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from trainyard.contract.model_files import BINARY, Files, check_named, files_of, record_name
from trainyard.contract.run_folder import MODEL, RECORD
from trainyard.host.experiments.run_files import Run

FLAVOR = "trainyard"
LOADER = Path(__file__).with_name("pyfunc_loader.py")
LOADED_AS = "trainyard_pyfunc_loader"


def has_model(run: Run) -> bool:
    """Whether the run has kept its model, all of it, with a record of it."""
    files = kept_files(run)
    return bool(files) and all(run.files.is_file(f"{MODEL}/{path}") for path in files)


def kept_files(run: Run) -> Files:
    """The files of the run's model, and its record, by their paths in the run's folder of the model, each with its
    sha256, which of the record nobody knows; none where there is no record that can be read."""
    record = read_kept_record(run)
    files = files_of(record, run.model_name)
    return files | {record_name(files, run.model_name): ""} if files else {}


def read_kept_record(run: Run) -> dict[str, Any]:
    """The record of the model that the run wrote; empty where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        record = run.files.read_json(RECORD)
        if isinstance(record, dict):
            check_named(record.get("files", {}))
            return record
    return {}


def link_kept_files(run: Run, folder: Path) -> None:
    """Put the files of the run's model into ``folder``, which no container has. Binaries may be large: other names of
    the same, where the file system can.

    Raises:
        OSError: what should be a file is none; no space, no permission.
    """
    for name in kept_files(run):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        run.files.link_to(f"{MODEL}/{name}", folder / name)


def write_model_folder(run: Run, mlflow_run: str, folder: Path) -> None:
    """Put together what is uploaded. ``folder`` is empty, and somebody else removes it."""
    record = read_kept_record(run)
    link_kept_files(run, folder)
    (folder / "code").mkdir()
    shutil.copyfile(LOADER, folder / "code" / f"{LOADED_AS}.py")
    packages = record.get("packages") or {}
    lines = [f"{name}=={version}\n" for name, version in sorted(packages.items()) if name != "trainyard"]
    (folder / "requirements.txt").write_text("".join(lines))
    (folder / "MLmodel").write_text(yaml.safe_dump(_mlmodel(run, mlflow_run, record), sort_keys=False))


def _mlmodel(run: Run, mlflow_run: str, record: dict[str, Any]) -> dict[str, Any]:
    files = files_of(record, run.model_name)
    binary = f"{run.model_name}{BINARY}"
    return {
        "artifact_path": MODEL,
        "flavors": {
            "python_function": {
                "loader_module": LOADED_AS,
                "code": "code",
                "data": binary if binary in files else record_name(files, run.model_name),
                "python_version": record.get("python"),
                "env": {"virtualenv": None},
            },
            FLAVOR: {
                "model": run.model,
                "model_name": run.model_name,
                "sha256": record["sha256"],
                "files": files,
            },
        },
        "mlflow_version": metadata.version("mlflow"),
        "model_uuid": str(record["sha256"])[:32],
        "run_id": mlflow_run,
        "utc_time_created": run.finished.replace("T", " ").partition("+")[0],
    }
