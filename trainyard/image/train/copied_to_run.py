"""What of a training stays in its run's folder, which is mounted at ``run/``: its record, its lock, its files if
wanted."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.contract.model_files import files_of
from trainyard.contract.records import binary_path, dump_record, read_record, record_path
from trainyard.contract.run_folder import LOCK, MODEL, RECORD


def keep_in_run(run: Path, models: Path, model_name: str) -> None:
    """Copy the record of a model in ``models``, the lock beside ``run``, and the files of the model where there is a
    folder for them.

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
    if (lock := run.parent / LOCK).is_file():  # an image of other builders may have none
        write_whole(run / LOCK, lock.read_bytes())
    if not (run / MODEL).is_dir():
        return
    kept, record_file = run / MODEL, record_path(binary)
    for path in (record_file.name, *files_of(record, model_name)):
        (kept / path).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(models / path, kept / path)
