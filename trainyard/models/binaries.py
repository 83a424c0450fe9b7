"""Model binaries: written whole or not at all with a record beside them, verified before they are unpickled.

Both paths are relative to the working directory, where every engine mounts ``models/``.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainyard.contract.files import replacing, sha256_of, write_whole
from trainyard.contract.missing_modules import to_add
from trainyard.contract.model_files import ENCODER, compiled_name
from trainyard.contract.records import (
    Compiled,
    Record,
    binary_path,
    dump_record,
    read_compiled,
    read_verified,
    record_path,
    remove_old_compiled,
)
from trainyard.contract.renamed_models import FORMERLY
from trainyard.contract.schema import Schema
from trainyard.errors import ModelUnavailable, TrainyardError
from trainyard.settings import image
from trainyard.settings.image import ImageSettings, baked_models

MODELS = Path("models")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_log = logging.getLogger(__name__)

_loaded: dict[tuple[str, str], Any] = {}  # by working directory and model name
_loading = threading.Lock()


def check_model_name(model_name: Any) -> str:
    """``model_name``, if it can name a file below ``models/``.

    Raises:
        TrainyardError: it is not text, is empty, or would leave the folder.
    """
    if not isinstance(model_name, str) or not _NAME.fullmatch(model_name):
        raise TrainyardError(
            f"{model_name!r} cannot be a model name", "set MODEL_NAME to letters, digits, '.', '_' and '-'"
        )
    return model_name


def save_model(
    bundle: Any,
    model_name: str,
    *,
    metrics: Mapping[str, float] | None = None,
    frame: Any = None,
    params: Mapping[str, Any] | None = None,
    dataset: str | Path | None = None,
    sample: Mapping[str, Any] | None = None,
    compiled: Compiled | None = None,
    **facts: Any,
) -> Record:
    """Write ``models/<model_name>.pkl`` and, beside it, the record ``models/<model_name>.json``.

    Args:
        bundle: whatever the predict function needs: anything that can be pickled. A mapping gets ``model_name``.
        model_name: the name that ``load_model`` is asked for.
        metrics: plain numbers by name.
        frame: the pandas data frame that the model was fitted on, such as a scikit-learn pipeline's. The record then
            has a schema of its columns and a sample of its rows, and ``trainyard.models.frames`` serves the model.
        params: what the training was asked for.
        dataset: the path of the dataset, as the payload gave it.
        sample: a few ``instances`` with the answer to them.
        compiled: the same model compiled (``trainyard.models.compiling``); it is served in place of the bundle.
        facts: anything else worth recording: task, columns, labels. All must be JSON-able.

    Returns:
        The record, as it was written.

    Raises:
        TrainyardError: a name that cannot be a file's, something that cannot be pickled, a schema that is not
            understood, or no room or permission; an older binary is then still there.
    """
    binary = binary_path(MODELS, check_model_name(model_name))
    if isinstance(bundle, Mapping):
        bundle = {**bundle, "model_name": model_name}
    if frame is not None:
        from trainyard.models import frame_schemas  # needs pandas

        facts.setdefault("schema", frame_schemas.schema_of(frame))
        sample = sample or frame_schemas.sample_of(bundle, frame)
    if facts.get("schema") is not None:
        _check_schema(facts["schema"])
    record: Record = {
        **facts,
        "model_name": model_name,
        "metrics": dict(metrics or {}),
        "params": dict(params or {}),
        "dataset": None if dataset is None else str(dataset),
        "sample": None if sample is None else dict(sample),
    }
    import joblib  # here, since a predict image of compiled models has none

    try:
        MODELS.mkdir(exist_ok=True)
        if compiled is not None:
            record["compiled"] = compiled.facts
        if compiled is not None and compiled.content:
            sha256 = hashlib.sha256(compiled.content).hexdigest()
            record["compiled"] = compiled.facts | {"sha256": sha256}
            write_whole(MODELS / compiled_name(model_name, sha256), compiled.content)
        with replacing(binary) as temporary:
            _dump(joblib, bundle, temporary)
            record["sha256"] = sha256_of(temporary)
            if binary.exists():
                record["replaces"] = sha256_of(binary)
            # The record goes first; a crash before the binary follows leaves a pair that still loads.
            write_whole(record_path(binary), dump_record(record))
        remove_old_compiled(MODELS, model_name, record)
    except OSError as error:
        raise TrainyardError(
            f"{binary}: cannot be written ({error.strerror})", "make models/ writable, with room for the binary"
        ) from None
    return record


def check_saveable(model: Any) -> None:
    """Refuse what ``save_model`` could not save. A model need not be fitted yet: call it before the training.

    Raises:
        TrainyardError: a part of it cannot be pickled; the message names the part, and what to do.
    """
    try:
        content = pickle.dumps(model)
    except Exception as error:
        raise _not_saveable(error) from error
    if b"__main__" in content:
        raise TrainyardError(
            "the model cannot be loaded elsewhere: it has a function or class of __main__",
            "define it in a module that train.py imports",
        )


def _dump(joblib: Any, bundle: Any, path: Path) -> None:
    try:
        joblib.dump(bundle, path)
    except OSError:
        raise
    except Exception as error:
        raise _not_saveable(error) from error


def _not_saveable(error: Exception) -> TrainyardError:
    text = " ".join(str(error).split())
    what = "a part of it cannot be pickled"
    if "<lambda>" in text:
        what = "it has a lambda"
    elif "<locals>" in text or "local object" in text:
        what = "it has a function or class that was defined inside of a function"
    return TrainyardError(
        f"the model cannot be saved: {what} ({type(error).__name__}: {text[:200]})",
        "define functions and classes at the top of a module; check_saveable(model) finds this before the fit",
    )


def _check_schema(schema: Any) -> None:
    try:
        Schema.from_json(schema)
    except ModelUnavailable as error:
        raise TrainyardError(f"save_model: {error.message}", error.hint) from None


def load_model(model_name: str) -> Any:
    """The model that training left, read once per process; a failure is tried again on the next call.

    That is the bundle that ``save_model`` wrote, with its ``model_name``, or its compiled form, which answers alike;
    or whatever a train function pickled by itself, where a record beside the binary vouches for it.

    Raises:
        ModelUnavailable: no binary, a corrupt one, one that does not unpickle here, another model's, or one of which
            neither a record nor a ``model_name`` says whose it is.
    """
    key = os.getcwd(), model_name  # noqa: PTH109 -- in every request, where Path.cwd() costs ten times as much
    if key in _loaded:
        return _loaded[key]
    check_model_name(model_name)
    with _loading:
        if key not in _loaded:  # another thread may have loaded it in the meantime
            _loaded[key] = _read(model_name)
        return _loaded[key]


def served_model_name(default: str) -> str:
    """The model that this process serves: MODEL_NAME (or MODElNAME) where it is set, else ``default``."""
    return image.served_model_name() or default


def _read(model_name: str) -> Any:
    """The compiled model where training left one and this environment can run it, else what was pickled; or the file of
    the model's own library where that is all there is."""
    if (MODELS / f"{model_name}{ENCODER}").exists():
        from trainyard.models.native_files import has_native, read_native

        if has_native(MODELS, model_name):
            return {**read_native(MODELS, model_name), "model_name": model_name}
    content = read_compiled(MODELS, model_name) if ImageSettings.read().compiled else None
    if content is None:
        return _unpickle(model_name)
    try:
        from trainyard.models.compiled import load_compiled  # needs onnxruntime, which an image of pickles has not
    except ImportError as error:
        _log.info("%s: served from its pickle, since %s is not installed", model_name, error.name)
        return _unpickle(model_name)
    return {**load_compiled(content), "model_name": model_name}


def _unpickle(model_name: str) -> Any:
    content, record = read_verified(MODELS, model_name)
    binary = binary_path(MODELS, model_name)
    vouched = record is not None or bool(baked_models())
    if not vouched:
        _log.warning("%s: no record beside it, so the binary cannot be verified: train the model again", binary)
    try:
        import joblib

        bundle = joblib.load(io.BytesIO(content))
    except ImportError as error:
        fix = to_add(error.name or "it", "requirements_predict.txt")
        raise ModelUnavailable(f"{binary}: needs {error.name or error}", fix) from None
    except Exception as error:  # noqa: BLE001 -- bytes that are no pickle raise nearly anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ModelUnavailable(f"{binary}: cannot be unpickled ({reason})", "train the model again") from None
    name = bundle.get("model_name") if isinstance(bundle, dict) else None
    if name is None and not vouched:
        raise ModelUnavailable(
            f"{binary}: neither a record nor a model_name in it says whose it is", "train the model again"
        )
    if name not in (None, model_name, *(record or {}).get(FORMERLY, ())):
        raise ModelUnavailable(f"{binary}: is the binary of {name!r}, not of {model_name!r}", "train the model again")
    return bundle
