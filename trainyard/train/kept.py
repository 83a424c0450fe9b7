"""What of a training stays in its run's folder, which is mounted at ``run/``: its record, and its binary if wanted."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from trainyard.files import write_whole
from trainyard.records import binary_path, compiled_name, dump_record, read_record, record_path
from trainyard.run_folder import MODEL, RECORD


def keep_in_run(run: Path, models: Path, model_name: str) -> None:
    """Copy the record of ``<models>/<model_name>.pkl``, and the files of the model where there is a folder for them.

    Raises:
        OSError: no space, no permission.
    """
    try:
        _keep(run, models, model_name)
    except OSError as error:  # which file of the two, copying does not say
        raise OSError(error.errno, error.strerror, str((run / MODEL).resolve())) from error


def _keep(run: Path, models: Path, model_name: str) -> None:
    binary = binary_path(models, model_name)
    if not model_name or not run.is_dir() or (record := read_record(binary)) is None:
        return
    write_whole(run / RECORD, dump_record(record))
    if not (run / MODEL).is_dir():
        return
    compiled = record.get("compiled") or {}
    names = [compiled_name(model_name, compiled["sha256"])] if "sha256" in compiled else []
    for path in (binary, record_path(binary), *(binary.parent / name for name in names)):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(path, run / MODEL / path.name)
