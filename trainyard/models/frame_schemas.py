"""What the columns of a pandas data frame are, for the record; rows of a request as such a frame again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from trainyard.contract.columns import BOOLEAN, CATEGORY, DATE, NUMBER, TEXT, days_of, text_of_days
from trainyard.errors import TrainyardError

MOST_CATEGORIES = 200  # of a column of text; one with more, or with hardly two rows for each, is free text
SAMPLE_ROWS = 3
Column = Mapping[str, Any]  # an entry of a record's schema


def schema_of(frame: pd.DataFrame) -> dict[str, Any]:
    """``{"columns": [...]}``: what a record says of the rows of a frame, with the types that pandas has for them.

    Raises:
        TrainyardError: no rows, names that are not text, or a column that no request can carry.
    """
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        raise TrainyardError("save_model: frame has no rows", "give it the data frame that the model was fitted on")
    odd = [name for name in frame.columns if not isinstance(name, str)]
    if odd:
        raise TrainyardError(
            f"save_model: the frame's column {odd[0]!r} is not named by text",
            "say frame.columns = [...] before the fit",
        )
    return {"columns": [_described(name, frame[name]) for name in frame.columns]}


def sample_of(model: Any, frame: pd.DataFrame) -> dict[str, Any]:
    """A few rows, as a request has them, with the answer to them."""
    columns = schema_of(frame)["columns"]
    rows = _rows(frame.head(SAMPLE_ROWS), columns)
    return {"instances": rows, **answer_of(model, frame_of(rows, columns))}


def frame_of(rows: Sequence[Sequence[Any]], columns: Sequence[Column]) -> pd.DataFrame:
    """Rows in the order of the schema's ``columns`` as a frame with the types that the model was fitted with."""
    values = list(zip(*rows, strict=True))
    return pd.DataFrame({column["name"]: _series(column, own) for column, own in zip(columns, values, strict=True)})


def answer_of(model: Any, frame: pd.DataFrame) -> dict[str, Any]:
    answer: dict[str, Any] = {"predictions": np.asarray(model.predict(frame)).tolist()}
    labels = getattr(model, "classes_", None)
    if labels is not None and hasattr(model, "predict_proba"):
        scores = model.predict_proba(frame)
        if hasattr(scores, "tolist"):  # of several outputs it is a list
            answer |= {"scores": scores.tolist(), "labels": np.asarray(labels).tolist()}
    return answer


def _described(name: str, series: pd.Series) -> dict[str, Any]:
    if isinstance(series, pd.DataFrame):
        raise TrainyardError(f"save_model: the frame has two columns {name!r}", "give each its own name")
    present = series.dropna()
    kind = _kind(name, series, present)
    entry: dict[str, Any] = {"name": name, "type": kind, "dtype": str(series.dtype)}
    if len(present) < len(series):
        entry["nullable"] = True
        if any(value is None for value in series):
            entry["missing"] = "None"  # else NaN, which libraries tell from it
    if kind == CATEGORY:
        entry["categories"] = list(series.cat.categories) if _is_categorical(series) else sorted(present.unique())
    elif kind == NUMBER and len(present):
        whole = bool((present.astype(float) % 1 == 0).all())
        low, high = float(present.min()), float(present.max())
        entry |= {"minimum": int(low) if whole else low, "maximum": int(high) if whole else high, "integer": whole}
    elif kind == DATE and len(present):
        days = [days_of(_iso(value)) for value in (present.min(), present.max())]
        entry |= {"minimum": text_of_days(days[0]), "maximum": text_of_days(days[1])}
    return entry


def _is_categorical(series: pd.Series) -> bool:
    return isinstance(series.dtype, pd.CategoricalDtype)


def _kind(name: str, series: pd.Series, present: pd.Series) -> str:
    types = pd.api.types
    if _is_categorical(series):
        if all(isinstance(value, str) for value in series.cat.categories):
            return CATEGORY
        return _kind(name, series.astype(series.cat.categories.dtype), present.astype(series.cat.categories.dtype))
    if types.is_bool_dtype(series.dtype) or (len(present) and all(isinstance(value, bool) for value in present)):
        return BOOLEAN
    if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
        return NUMBER
    if types.is_datetime64_any_dtype(series.dtype):
        return DATE
    if all(isinstance(value, str) for value in present):
        return CATEGORY if _has_few(present) else TEXT
    if all(isinstance(value, datetime) for value in present):
        return DATE
    if all(isinstance(value, Real) for value in present):
        return NUMBER
    raise TrainyardError(
        f"save_model: the frame's column {name!r} is of {series.dtype}, which no request can carry",
        "make numbers, text, dates, or true and false of it",
    )


def _has_few(present: pd.Series) -> bool:
    count = present.nunique()
    return bool(count <= MOST_CATEGORIES and 2 * count <= len(present))


def _rows(frame: pd.DataFrame, columns: Sequence[Column]) -> list[list[Any]]:
    cells = [[_plain(column, value) for value in frame[column["name"]]] for column in columns]
    return list(map(list, zip(*cells, strict=True)))


def _plain(column: Column, value: Any) -> Any:
    if value is None or value is pd.NA or value != value:
        return None
    if column["type"] == DATE:
        return _iso(value)
    return value.item() if hasattr(value, "item") else value


def _iso(value: datetime) -> str:
    """A date by itself where there is no time in it."""
    text = value.isoformat()
    return text.removesuffix("T00:00:00")


def is_fractional(column: Column, value: Any) -> bool:
    return column["dtype"].lower().startswith(("int", "uint")) and isinstance(value, float) and value % 1 != 0


def _series(column: Column, values: Sequence[Any]) -> pd.Series:
    dtype, kind = column["dtype"], column["type"]
    if kind == DATE:
        return _dates(values, dtype)
    if dtype == "category":
        return pd.Series(pd.Categorical(values, categories=column["categories"] if kind == CATEGORY else None))
    missing = None if column.get("missing") == "None" else np.nan
    if kind == NUMBER and any(is_fractional(column, value) for value in values):
        dtype = "float64"
    series = pd.Series([missing if value is None else value for value in values], dtype=object)
    return series if dtype == "object" else series.astype(dtype)


def _dates(values: Sequence[Any], dtype: str) -> pd.Series:
    moments = [None if value is None else datetime.fromisoformat(value) for value in values]
    series = pd.to_datetime(pd.Series(moments, dtype=object), utc=True)
    if dtype == "object":
        return series.dt.tz_localize(None).astype(object)
    zone = getattr(pd.api.types.pandas_dtype(dtype), "tz", None)
    return (series.dt.tz_convert(zone) if zone else series.dt.tz_localize(None)).astype(dtype)
