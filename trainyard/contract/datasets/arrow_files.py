"""Parquet and Arrow (Feather) files as lines of values that mean what the same table means as CSV."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from trainyard.errors import TrainyardError

Field = str | int | float | bool | None
Line = tuple[int, Sequence[Field]]

# With what follows in such a file: a column of a CSV file may be called PAR1.
PARQUET, ARROW = b"PAR1\x15", b"ARROW1\0"
_ROWS = 65536  # converted at a time
_FRACTION_ZEROS = (r"(\.\d*?)0+(Z?)$", r"\1\2"), (r"\.(Z?)$", r"\1")


def is_arrow(start: bytes) -> bool:
    """Whether a file that begins with ``start`` is for this module."""
    return start.startswith((PARQUET, ARROW))


def count_rows(path: Path) -> int:
    """The rows of a file, as its end, or the heads of its parts, say.

    Raises:
        TrainyardError: pyarrow is not installed, or a damaged file.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if _is_parquet(path):
            return int(pq.read_metadata(path).num_rows)
        return sum(batch.num_rows for batch in _open(path, ())[1])
    except ImportError:
        raise TrainyardError(f"{path}: a Parquet or Arrow file, which pyarrow reads") from None
    except (pa.ArrowException, OSError) as error:
        raise TrainyardError(f"{path}: cannot be read as Parquet or Arrow ({error})") from None


def read_lines(path: Path, wanted: Collection[str] = ()) -> Iterator[Line]:
    """``(line number, fields)``, the names of the columns first; rows count from line 2, as in CSV.

    Numbers and booleans come as such (whole numbers exact), decimals, dates (``2026-01-02``) and times (ISO 8601,
    those with a zone in UTC) as text, dictionary columns as what they stand for, nulls as None. A 32-bit number is the
    one that its shortest text means: 0.1, not 0.10000000149. Columns that are not ``wanted`` are None; empty: all are
    wanted.

    Raises:
        TrainyardError: pyarrow is not installed, a damaged file, a wanted column of lists or other nested values.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise TrainyardError(
            f"{path}: a Parquet or Arrow file, which pyarrow reads", "add pyarrow to requirements_train.txt"
        ) from None
    try:
        yield from _lines(path, wanted)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise TrainyardError(f"{path}: cannot be read as Parquet or Arrow ({reason})", "write it again") from None


def _lines(path: Path, wanted: Collection[str]) -> Iterator[Line]:
    names, batches = _open(path, wanted)
    yield 1, list(names)
    number = 2
    for batch in batches:
        there = {name: i for i, name in enumerate(batch.schema.names)}
        for offset in range(0, batch.num_rows, _ROWS):
            part = batch.slice(offset, _ROWS)
            columns = [
                _values(path, name, part.column(there[name])) if not wanted or name.strip() in wanted else repeat(None)
                for name in names
            ]
            rows = zip(range(number, number + part.num_rows), *columns, strict=False)  # repeat() has no end
            for line, *fields in rows:
                yield line, fields
            number += part.num_rows


def _open(path: Path, wanted: Collection[str]) -> tuple[list[str], Iterator[Any]]:
    """The names of all columns, and the record batches, of Parquet with the wanted ones at least."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if _is_parquet(path):
        parquet = pq.ParquetFile(path)
        names = parquet.schema_arrow.names
        columns = [name for name in names if not wanted or name.strip() in wanted]
        return names, parquet.iter_batches(_ROWS, columns=columns)
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    return reader.schema.names, (reader.get_batch(i) for i in range(reader.num_record_batches))


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def _values(path: Path, name: str, column: Any) -> list[Any]:
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if types.is_decimal(kind):
        return [None if value is None else f"{value:f}" for value in column.to_pylist()]
    if types.is_float32(kind):
        column = column.cast(pa.string()).cast(pa.float64())
    elif types.is_temporal(kind) and not types.is_duration(kind) and not types.is_interval(kind):
        column = _iso(column)
    elif types.is_binary(kind) or types.is_large_binary(kind):
        column = column.cast(pa.large_string())  # text of writers that do not say so
    elif not (
        types.is_null(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
        or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    ):  # fmt: skip
        raise TrainyardError(
            f"{path}: column {name} is of type {kind}, which is no number, text or date", "leave it out, or convert it"
        )
    return column.to_pylist()  # type: ignore[no-any-return]


def _iso(column: Any) -> Any:
    """Dates and times as ISO 8601 has them, without zeros at the end of a fraction."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    text = pc.replace_substring(column.cast(pa.string()), " ", "T")
    for pattern, replacement in _FRACTION_ZEROS:
        text = pc.replace_substring_regex(text, pattern, replacement)
    return text
