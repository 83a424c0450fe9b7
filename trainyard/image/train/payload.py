"""What training is asked to do: ``PAYLOAD``, and whether the dataset it names is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from trainyard.contract.message import Message
from trainyard.contract.model_files import check_model_name
from trainyard.errors import TrainyardError

EXAMPLE = """say PAYLOAD='{"$ref": "data/my_data.csv", "model_name": "my_model"}'"""
_MOST_NAMES = 10  # of the files that a hint lists


def read_payload(text: str) -> Message:
    """The message of a training: ``{"payload": <PAYLOAD>}``.

    Raises:
        TrainyardError: absent, not a JSON object, or a model_name that cannot be a file name.
    """
    if not text.strip():
        raise TrainyardError("PAYLOAD is not set", EXAMPLE)
    try:
        payload = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise TrainyardError(f"PAYLOAD={_short(text)} is not JSON ({error})", EXAMPLE) from None
    if not isinstance(payload, dict):
        raise TrainyardError(f"PAYLOAD={_short(text)} is not a JSON object", EXAMPLE)
    check_model_name(payload)
    return Message(payload=payload)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"there is no {constant} in JSON")


def dataset_of(payload: dict[str, Any], sources: Path) -> Path | None:
    """The dataset file or folder that ``$ref`` names; None where it names none, or one that is not on this machine.

    Raises:
        TrainyardError: ``$ref`` is no text, or there is no such file or folder.
    """
    reference = payload.get("$ref")
    if reference is None:
        return None
    if not isinstance(reference, str) or not reference:
        raise TrainyardError(f"PAYLOAD: $ref is {reference!r}, not a path", EXAMPLE)
    if "://" in reference:
        return None
    dataset = sources / reference
    if not dataset.exists():
        raise TrainyardError(f"{reference}: no such dataset ({_listing(sources / 'data')})", "correct DATASET_NAME")
    return dataset


def _listing(folder: Path) -> str:
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return "there is no data/ folder: mount or create it"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"data/ has {', '.join(names[:_MOST_NAMES])}{more}" if names else "data/ is empty"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:60] + "..."
