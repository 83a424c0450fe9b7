"""What PAYLOAD says."""

from __future__ import annotations

import json
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import Session


def given_payload(session: Session) -> dict[str, Any]:
    """PAYLOAD, a JSON object; empty where it is not set.

    Raises:
        TrainyardError: it is none.
    """
    if not session.settings.payload:
        return {}
    fix = """write a JSON object: PAYLOAD='{"key": "value"}'"""
    try:
        given = json.loads(session.settings.payload)
    except ValueError as error:
        raise TrainyardError(f"PAYLOAD is not JSON: {error}", fix) from None
    if not isinstance(given, dict):
        raise TrainyardError(f"PAYLOAD is a JSON {type(given).__name__}, not an object", fix)
    return given
