"""A model binary and its record: ``models/<name>.pkl`` and, beside it, ``models/<name>.json``.

The record says what the binary is (sha256, model name) and where it came from (dataset, parameters, metrics, lock,
commit, versions, times). Nothing is unpickled before its sha256 was compared.

The two files cannot be replaced in one step, so the record goes first and names, as ``replaces``, the sha256 of the
binary that it is about to replace: a training killed between the two renames leaves a pair that still loads.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from trainyard.errors import ModelUnavailable

Record = dict[str, Any]


def binary_path(models: Path, model_name: str) -> Path:
    """``models/<name>.pkl``."""
    return models / f"{model_name}.pkl"


def record_path(binary: Path) -> Path:
    """``models/<name>.json`` of ``models/<name>.pkl``."""
    return binary.parent / (binary.name.removesuffix(".pkl") + ".json")


def read_record(binary: Path) -> Record | None:
    """The record beside ``binary``; None where there is none.

    Raises:
        ModelUnavailable: the record is there but is not a JSON object.
    """
    path = record_path(binary)
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path}: not a readable JSON record ({error})", "train the model again") from None
    if not isinstance(record, dict):
        raise ModelUnavailable(f"{path}: not a JSON object", "train the model again")
    return record


def dump_record(record: Record) -> str:
    """The text of a record file: sorted, so that equal records are equal bytes."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def read_verified(models: Path, model_name: str) -> tuple[bytes, Record | None]:
    """The bytes of ``models/<model_name>.pkl``, checked against its record, and the record (None: none there).

    The bytes that were hashed are the bytes returned, so that nobody can swap the file between the two.

    Raises:
        ModelUnavailable: no binary, unreadable, empty, of another model, or not the bytes that were recorded.
    """
    binary = binary_path(models, model_name)
    try:
        content = binary.read_bytes()
    except FileNotFoundError:
        raise ModelUnavailable(f"{binary}: no such model binary", "run make train") from None
    except OSError as error:
        raise ModelUnavailable(f"{binary}: cannot be read ({error.strerror})", "check its permissions") from None
    if not content:
        raise ModelUnavailable(f"{binary}: the file is empty", "train the model again")
    record = read_record(binary)
    if record is not None:
        _verify(binary, model_name, content, record)
    return content, record


def _verify(binary: Path, model_name: str, content: bytes, record: Record) -> None:
    recorded = record.get("model_name")
    if recorded and recorded != model_name:
        raise ModelUnavailable(f"{binary}: its record says it is {recorded!r}, not {model_name!r}", "run make train")
    actual = hashlib.sha256(content).hexdigest()
    if actual not in (record.get("sha256"), record.get("replaces")):
        raise ModelUnavailable(
            f"{binary}: corrupt, sha256 {actual[:12]} is not the recorded {str(record.get('sha256'))[:12]}",
            "train the model again, or restore the file",
        )
