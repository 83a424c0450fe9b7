"""How many rows a dataset has, where its files are tables: for records, which are read months later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainyard.contract.datasets.arrow_files import count_rows, is_arrow
from trainyard.contract.datasets.table_files import read_lines
from trainyard.errors import TrainyardError

_TEXT, _COLUMNAR = (".csv", ".tsv", ".tab"), (".parquet", ".arrow", ".feather")
_PACKED = (".gz", ".bz2", ".xz", ".zip")
_MOST = 200e6  # bytes of text that are counted: some seconds


def row_count(dataset: Path, files: Sequence[Path]) -> int | None:
    """The rows of all its tables, headers left out; None where a file is no table, or counting would take long.

    Args:
        dataset: a file, or a folder.
        files: what ``dataset_files`` finds in it; hidden ones, and those that begin with ``_``, do not count.
    """
    parts = [path for path in files if path == dataset or not _is_aside(path.relative_to(dataset))]
    if not parts or not all(_is_table(path) for path in parts):
        return None
    if sum(path.stat().st_size for path in parts if not _is_columnar(path)) > _MOST:
        return None
    try:
        return sum(map(_rows, parts))
    except TrainyardError:  # the train function reads it in a way of its own
        return None


def _is_aside(path: Path) -> bool:
    return any(name[0] in "._" for name in path.parts)


def _is_table(path: Path) -> bool:
    name = path.name.lower()
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return name.endswith((*_TEXT, *_COLUMNAR))


def _is_columnar(path: Path) -> bool:
    with path.open("rb") as file:
        return is_arrow(file.read(8))


def _rows(path: Path) -> int:
    return count_rows(path) if _is_columnar(path) else max(0, sum(1 for _ in read_lines(path)) - 1)
