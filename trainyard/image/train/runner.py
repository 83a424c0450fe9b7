"""One training, from ``PAYLOAD`` to a model and its record in ``models/``."""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from trainyard.contract.environment import read_environment
from trainyard.contract.files import dataset_files
from trainyard.contract.message import Message
from trainyard.contract.model_files import declared_files
from trainyard.contract.records import Record
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.image.train.payload import dataset_of, read_payload
from trainyard.image.train.provenance import Clock, facts
from trainyard.image.train.publishing import Written, keep_beside, publish_all, record_in_place
from trainyard.image.train.staging import Staging, is_full, own_stamps, staging
from trainyard.image.user_code import ENVIRONMENT_FILE, Target, prepare_path, resolve, training_target
from trainyard.settings.image import ImageSettings

# What MLflow makes in the working directory where nothing says which tracker it shall log to.
MLFLOW_STORES = ("mlruns", "mlflow.db")
OWN_TRACKING = "`tracking: own` in config.yaml"


def train(sources: Path, settings: ImageSettings) -> None:
    """Train in ``sources``, the working directory.

    Raises:
        TrainyardError: bad input, or no space left; nothing in ``models/`` has changed.
        Exception: whatever the train function raises; likewise.
    """
    message = read_payload(settings.payload)
    environment = read_environment(ENVIRONMENT_FILE)
    target, declared = training_target(environment), declared_files(environment)
    dataset = dataset_of(message.payload, sources)
    if dataset:
        dataset_files(dataset, sources / "data")  # what cannot be hashed is an error before hours of training
    try:
        with staging(sources, message.payload.get("model_name") or "", declared) as staged:
            _train(staged, target, message, dataset)
    except OSError as error:
        if is_full(error):
            raise _disk_full(sources, error) from error
        raise


def _train(staged: Staging, target: Target, message: Message, dataset: Path | None) -> None:
    payload = copy.deepcopy(message.payload)  # the function may change its message
    before = own_stamps(staged.sources / "models", staged.model_name, staged.declared)
    clock = Clock()
    print(f"---> Training {target.module}:{target.function} on {payload.get('$ref') or 'no dataset'}", flush=True)
    result = call(staged, target, message)
    known = facts(payload, dataset, staged.sources, clock)
    irregular = staged.irregular()
    written = publish_all(staged, known)
    if irregular:
        _warn(f"{', '.join(irregular)}: not a regular file in models/, and not kept")
    if not written:
        written = _unstaged(staged, record_in_place(staged, before, known))
    if logged := [path.name for path in staged.beside() if path.name in MLFLOW_STORES]:
        _warn(
            f"{', '.join(logged)}: what was logged with MLflow is thrown away: {OWN_TRACKING} sends it to the tracker"
        )
    if lost := keep_beside(staged):
        _warn(f"{', '.join(lost)}: written beside models/, where nothing can be kept")
    if result is not None:
        print(as_text(result))
    _report(written, known)


def call(staged: Staging, target: Target, message: Message) -> Any:
    """The train function's result. It runs in the staged view of the sources, so that ``models/`` is the staged one."""
    prepare_path(staged.sources)
    os.chdir(staged.view)
    try:
        return resolve(target, staged.sources)(message)
    except SystemExit as error:
        if error.code in (None, 0):
            return None
        raise TrainyardError(
            f"{target.module}.{target.function} calls sys.exit({error.code!r})", "", EXIT_FAILED
        ) from error
    except Exception as error:
        # numpy reports a full disk as an OSError without its number.
        if is_full(error) or (isinstance(error, OSError) and shutil.disk_usage(staged.models).free == 0):
            raise _disk_full(staged.sources, error) from error
        raise
    finally:
        os.chdir(staged.sources)


def _unstaged(staged: Staging, written: list[Written]) -> list[Written]:
    """Say what of the model was not written where it should be; without a model's name there is nothing to say."""
    if written:
        names = ", ".join(f"models/{one.name}" for one in written)
        _warn(f"{names} was written by an absolute path: a killed training leaves it half-written")
    elif name := staged.model_name:
        lost = ", ".join(path.name for path in staged.written())
        rest = f", nor anything else that is of {name}: {lost} is not kept" if lost else ""
        _warn(f"the training wrote no models/{name}.pkl{rest}")
    return written


def as_text(result: Any) -> str:
    """A result as JSON where that is possible, else as Python shows it; text as it is."""
    if isinstance(result, str):
        return result
    try:
        return json.dumps(result, ensure_ascii=False, default=lambda value: value.tolist())
    except (TypeError, ValueError, AttributeError, RecursionError):
        return str(result)


def _report(written: list[Written], known: Record) -> None:
    for one in written:
        size = f"{one.size / 1e6:.1f} MB" if one.size >= 1e5 else f"{one.size / 1e3:.1f} kB"
        many = f"{one.files} files, " if one.files > 1 else ""
        print(
            f"---> Wrote models/{one.name} ({many}{size}, sha256 {one.sha256[:12]}) in {known['seconds']:.1f} s",
            flush=True,
        )


def _disk_full(sources: Path, error: BaseException) -> TrainyardError:
    named = getattr(error, "filename", None)
    folder = (
        Path(named).parent if isinstance(named, str) and ".staging-" not in named else (sources / "models").resolve()
    )
    reason = getattr(error, "strerror", None) or "No space left on device"
    free = shutil.disk_usage(folder if folder.is_dir() else sources).free / 1e6
    return TrainyardError(f"{folder}: {reason} ({free:.1f} MB free)", "make room, then train again", EXIT_FAILED)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)
