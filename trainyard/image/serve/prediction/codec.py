"""JSON in and out: orjson where it is installed, else the standard library, equally strict."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

try:
    import orjson
except ImportError:  # a predict image may pin it away
    orjson = None  # type: ignore[assignment]


_LONG_NUMBER = re.compile(rb"\d{19}")


class Codec(NamedTuple):
    """``loads`` raises ValueError; ``dumps`` takes numpy values, dates and times, writes NaN and pandas' missing values
    as null, and raises TypeError."""

    loads: Callable[[bytes], Any]
    dumps: Callable[[Any], bytes]


_MISSING = frozenset({"NaTType", "NAType"})  # types of pandas' NaT and NA


def _plain(value: Any) -> Any:
    """What JSON can say of a numpy or pandas value, a date, or a time."""
    name = type(value).__name__
    if name in _MISSING:
        return None
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    fix = ": return its values.tolist()" if name == "DataFrame" else ""
    raise TypeError(f"a {name} is not JSON{fix}")


def _exact_loads(body: bytes) -> Any:
    return _standard_loads(body) if _LONG_NUMBER.search(body) else orjson.loads(body)


def _fast_dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        if "64-bit" not in str(error):
            raise TypeError(str(error.__cause__ or error)) from error
    return _standard_dumps(value)


def _refuse(token: str) -> NoReturn:
    raise ValueError(f"{token} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _standard_loads(body: bytes) -> Any:
    try:
        # As text, because json guesses at UTF-16 where it is given bytes.
        return json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _standard_dumps(value: Any) -> bytes:
    try:
        text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:  # NaN somewhere, or a value that contains itself
        text = json.dumps(_without_nan(value), default=_plain, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise TypeError("nested too deeply") from None
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TypeError(f"text that is not Unicode ({error.reason})") from None


def _without_nan(value: Any, depth: int = 200) -> Any:
    if depth == 0:
        raise TypeError("nested too deeply")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item, depth - 1) for item in value]
    return _without_nan(value.tolist(), depth - 1) if hasattr(value, "tolist") else value


STANDARD = Codec(_standard_loads, _standard_dumps)
JSON = Codec(orjson.loads, _fast_dumps) if orjson else STANDARD
# orjson rounds whole numbers that do not fit into 64 bits. Where no schema says that a number is one of 64 bits anyway,
# Python's parser reads a body that may hold one.
EXACT = Codec(_exact_loads, _fast_dumps) if orjson else STANDARD
