"""Values from users' files as pages can show them: a record may hold anything."""

from __future__ import annotations

from typing import Any

from trainyard.image.serve.prediction.codec import JSON

LONGEST_TEXT = 10_000  # characters
DEEPEST = 40
_CUT = "..."
_LARGEST = 1 << 63  # whole numbers of JSON writers have 64 bits


def presentable(value: Any, depth: int = DEEPEST) -> Any:
    """``value`` without what breaks a page: half characters are escaped, what is too long or too deep is cut."""
    if isinstance(value, str):
        return presentable_text(value)
    if isinstance(value, dict):
        return _CUT if depth == 0 else {str_of(key): presentable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _CUT if depth == 0 else [presentable(item, depth - 1) for item in value]
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return f"{value:.6e}" if abs(value) < 10**300 else _CUT
    if value is None or isinstance(value, (int, float)):
        return value
    return presentable(value.tolist(), depth - 1) if depth and hasattr(value, "tolist") else str_of(value)


def presentable_text(text: str) -> str:
    """UTF-8 can say it, and it is not endless."""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + _CUT
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def str_of(value: Any) -> str:
    return presentable_text(str(value))


def page_json(value: Any) -> bytes:
    """A page as JSON, whatever is in it; nearly always there is nothing to be changed."""
    try:
        return JSON.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return JSON.dumps(presentable(value))
