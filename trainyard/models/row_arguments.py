"""The rows of a request as the arguments of functions that know nothing of our messages, and what they return as our
answer."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import inspect
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainyard.errors import BadRequest
from trainyard.models.imported import finished
from trainyard.models.predicting import instances_of

_DATA = re.compile(r"data:[\w/+.-]*(?:;[\w=-]+)*;base64,", re.ASCII)
MISSING = inspect.Parameter.empty


def each_row(function: Callable[..., Any], msg: Mapping[str, Any]) -> dict[str, Any]:
    """Call ``function`` for each row: an object's values by name, a list's in the order of the parameters.

    Raises:
        BadRequest: a row that does not fit its parameters.
    """
    parameters = _parameters(function)
    found = []
    for number, row in enumerate(_rows(msg, single=len(parameters) == 1)):
        found.append(_plain(function(**_arguments(row, parameters, f"instances[{number}]"))))
    return {"predictions": found}


def all_rows(function: Callable[..., Any], msg: Mapping[str, Any], form: str = "list") -> dict[str, Any]:
    """Call ``function`` once with all rows: as a list of rows, or as a numpy ``array`` or a pandas ``frame``."""
    return answer(function(as_form(_rows(msg, single=False), form)))


def as_form(rows: list[Any], form: str) -> Any:
    """Rows as a ``list``, an ``array`` of shape ``(rows, columns)`` or a ``frame``."""
    if form == "array":
        import numpy as np

        return np.asarray([list(row.values()) if isinstance(row, Mapping) else row for row in rows])
    if form == "frame":
        import pandas as pd

        return pd.DataFrame(rows)
    return rows


def answer(result: Any) -> dict[str, Any]:
    """What a function returned for all rows, as our answer."""
    found = _plain(finished(result))
    if isinstance(found, dict):
        if "predictions" in found or "scores" in found:
            return found
        lists = [value for value in found.values() if isinstance(value, list)]
        return {**found, "predictions": lists[0]} if len(lists) == 1 else {"predictions": [found]}
    return {"predictions": found if isinstance(found, list) else [found]}


def _rows(msg: Mapping[str, Any], *, single: bool) -> list[Any]:
    """The instances; ``single``: each is one value, which may stand there without a list around it."""
    payload = msg.get("payload")
    rows = payload.get("instances") if isinstance(payload, Mapping) else None
    if single and isinstance(rows, list) and rows and not isinstance(rows[0], list | dict):
        return rows
    return instances_of(msg)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, TypeError):
        signature = inspect.signature(function)
    return {
        name: one
        for name, one in signature.parameters.items()
        if one.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }


def _arguments(row: Any, parameters: Mapping[str, inspect.Parameter], where: str) -> dict[str, Any]:
    if len(parameters) == 1 and (kind := next(iter(parameters.values()))) and _takes_row(kind, row):
        return {kind.name: _value(row, kind, where)}
    if isinstance(row, Mapping):
        if unknown := [str(name) for name in row if name not in parameters]:
            raise BadRequest(f"{where}: unknown input {unknown[0]!r}", f"inputs are {', '.join(parameters)}")
        given = dict(row)
    else:
        values = row if isinstance(row, list | tuple) else [row]
        if len(values) > len(parameters):
            raise BadRequest(f"{where}: {len(values)} values", f"inputs are {', '.join(parameters)}")
        given = dict(zip(parameters, values, strict=False))
    found = {name: _value(value, parameters[name], where) for name, value in given.items()}
    for name, one in parameters.items():
        if name not in given:
            found[name] = _default(one)
            if found[name] is MISSING:
                raise BadRequest(f"{where}: {name} is missing", f"inputs are {', '.join(parameters)}")
    return found


def _default(parameter: inspect.Parameter) -> Any:
    """The default of a parameter, also where it is a description that has one: Cog's ``Input(default=...)``."""
    default = parameter.default
    if type(default).__module__.partition(".")[0] in ("cog", "pydantic") and hasattr(default, "default"):
        default = default.default
    unset = default is ... or type(default).__name__ == "PydanticUndefinedType"
    return MISSING if unset or getattr(default, "is_required", False) else default


def _takes_row(parameter: inspect.Parameter, row: Any) -> bool:
    """Whether the only parameter is the whole row: an object that does not name it, a list of several values."""
    if isinstance(row, Mapping):
        return parameter.name not in row
    return isinstance(row, list | tuple) and len(row) != 1


def _value(value: Any, parameter: inspect.Parameter, where: str) -> Any:
    """A value as the annotation of its parameter wants it: a file of a path, an object of a class of pydantic."""
    kind = parameter.annotation
    if isinstance(kind, type):
        if isinstance(value, str) and issubclass(kind, Path):
            return _file(value, kind, where)
        if isinstance(value, Mapping) and hasattr(kind, "model_validate"):
            try:
                return kind.model_validate(value)
            except ValueError as error:
                raise BadRequest(f"{where}: {' '.join(str(error).split())}") from None
        if kind is bytes and isinstance(value, str):
            return bytes_of(value, where)
    return value


def bytes_of(text: str, where: str) -> bytes:
    """Of base64, or a ``data:`` URL.

    Raises:
        BadRequest: it is neither.
    """
    try:
        return base64.b64decode(_DATA.sub("", text, count=1), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{where}: not base64", "send the file's bytes in base64, or as a data: URL") from None


def _file(text: str, kind: type[Path], where: str) -> Path:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(bytes_of(text, where))
    return kind(file.name)


def _plain(value: Any) -> Any:
    """A value that JSON has: of numpy, pandas and pydantic, of generators, of a file that was written."""
    value = finished(value)
    if inspect.isgenerator(value):
        parts = [_plain(one) for one in value]
        return "".join(parts) if parts and all(isinstance(one, str) for one in parts) else parts
    if isinstance(value, Path):
        return "data:application/octet-stream;base64," + base64.b64encode(value.read_bytes()).decode()
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict("records")
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(one) for one in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
