"""The model that a training begins from (`make train BASE_MODEL=<run>`), in place of nothing.

``make`` mounts its files at ``base_model/``, verified; before one is loaded here it is verified once more. Where there
is none, ``base_model()`` is None and a training begins as always.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from trainyard.contract.base_models import FOLDER, MODEL_NAME, RECORD, RECORD_SHA256
from trainyard.contract.files import open_regular
from trainyard.contract.missing_modules import to_add
from trainyard.contract.records import binary_path, read_verified, record_path
from trainyard.errors import ModelUnavailable
from trainyard.models.native_files import has_native, read_native
from trainyard.settings.image import ImageSettings

BASE_MODEL = Path(FOLDER)


def base_model() -> Any | None:
    """What the earlier training saved: the bundle of ``save_model``, or whatever was pickled; None where there is none.

    Raises:
        ModelUnavailable: a file is not the one that was recorded, or needs a package that is not installed here.
    """
    if (name := base_model_name()) is None:
        return None
    if has_native(BASE_MODEL, name):
        return read_native(BASE_MODEL, name)
    content, _ = read_verified(BASE_MODEL, name)
    import joblib

    binary = binary_path(BASE_MODEL, name)
    try:
        return joblib.load(io.BytesIO(content))
    except ImportError as error:
        fix = to_add(error.name or "it", "requirements_train.txt")
        raise ModelUnavailable(f"{binary}: needs {error.name or error}", fix) from None
    except Exception as error:  # noqa: BLE001 -- bytes that are no pickle raise nearly anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ModelUnavailable(f"{binary}: cannot be unpickled ({reason})", "begin from another model") from None


def base_model_name() -> str | None:
    """The name of its files in ``base_model/``, whose record is the one that was meant; None where there is none.

    For those who open its files by themselves: a model of several files, a format of a library.

    Raises:
        ModelUnavailable: the record is missing, or another one.
    """
    given = ImageSettings.read().base_model
    if not given:
        return None
    facts = json.loads(given)
    path = BASE_MODEL / facts[RECORD]
    try:
        with open_regular(path) as file:
            actual = hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise ModelUnavailable(f"{path}: cannot be read ({error.strerror})", "train again") from None
    name = str(facts[MODEL_NAME])
    if actual != facts[RECORD_SHA256] or path.name != record_path(binary_path(BASE_MODEL, name)).name:
        raise ModelUnavailable(f"{path}: is not the record of the model that was meant", "train again")
    return name
