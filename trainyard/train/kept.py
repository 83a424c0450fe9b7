"""What of a training stays in its run's folder, which is mounted at ``run/``: its record, and its binary if wanted."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from trainyard.files import write_whole
from trainyard.records import binary_path, compiled_name, dump_record, read_record, record_path

RUN = "run"
MODEL = "model"  # the folder in it that whoever wants to keep the binary makes


def keep_in_run(sources: Path, model_name: str) -> None:
    """Copy the record of ``models/<model_name>.pkl``, and the files of the model where there is a folder for them.

    The caller holds the lock of ``models/``: what is copied is what this training wrote.
    """
    run, binary = sources / RUN, binary_path(sources / "models", model_name)
    if not model_name or not run.is_dir() or (record := read_record(binary)) is None:
        return
    write_whole(run / "record.json", dump_record(record))
    if not (run / MODEL).is_dir():
        return
    compiled = record.get("compiled") or {}
    names = [compiled_name(model_name, compiled["sha256"])] if "sha256" in compiled else []
    for path in (binary, record_path(binary), *(binary.parent / name for name in names)):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(path, run / MODEL / path.name)
