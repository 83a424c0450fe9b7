"""Data and binaries of such a folder: they belong to the project's ``data/`` and ``models/``, and what opens them by a
literal path follows."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from trainyard.host.scaffold.importing.python_code import Code
from trainyard.host.scaffold.importing.source_tree import SourceTree

BINARY = re.compile(
    r"(?:\./)?(?:[\w.-]+/)*[\w-][\w.-]*\.(?:pkl|pickle|joblib|sav|cbm|ubj|onnx|pt|pth|h5|keras|bst|txt\.model)"
)
TABLE = re.compile(r"(?:\./)?(?:[\w.-]+/)*[\w-][\w.-]*\.(?:csv|tsv|parquet|feather)")
LONGEST = 300  # letters of a path
FIRST = 64 << 10  # bytes of a table that are read for an example


@dataclass
class Paths:
    """Where what the code opens goes: literal paths, as they stand there, by their new ones."""

    moves: dict[str, str] = field(default_factory=dict)
    binaries: list[str] = field(default_factory=list)  # literal paths of models, in the order of the code
    tables: list[str] = field(default_factory=list)


def literal_paths(codes: Mapping[PurePosixPath, Code]) -> Paths:
    """The paths of models and tables that stand in the code."""
    found = Paths()
    for code in codes.values():
        for text in (text for text, _ in code.strings() if len(text) <= LONGEST):
            if BINARY.fullmatch(text) and ".." not in text.split("/") and text not in found.binaries:
                found.binaries.append(text)
            elif TABLE.fullmatch(text) and ".." not in text.split("/") and text not in found.tables:
                found.tables.append(text)
    return found


def with_paths(content: bytes, moves: Mapping[str, str]) -> bytes:
    """The same Python file, with the literal paths that moved."""
    code = Code(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    if code.tree is None or not moves:
        return content
    lines = text.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    inner = {id(one) for node in code.nodes() if isinstance(node, ast.JoinedStr) for one in ast.walk(node)}
    edits = []
    for node in code.nodes():
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value in moves
            and id(node) not in inner
        ):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            edits.append((start, end, moves[node.value]))
    made = text.encode()
    for start, end, new in sorted(edits, reverse=True):
        made = made[:start] + f'"{new}"'.encode() + made[end:]
    return made


def first_rows(tree: SourceTree, table: PurePosixPath, count: int = 2) -> tuple[list[str], list[list[Any]]]:
    """The columns of a CSV file and its first rows, numbers as such; nothing where it is none."""
    if table.suffix not in (".csv", ".tsv"):
        return [], []
    text = tree.read(table)[:FIRST].decode("utf-8-sig", "replace")
    try:
        dialect = csv.Sniffer().sniff(text.partition("\n")[0], ",;\t|")
        rows = list(csv.reader(text.splitlines()[: count + 1], dialect))
    except csv.Error:
        rows = list(csv.reader(text.splitlines()[: count + 1]))
    if len(rows) < 2:
        return [], []
    return rows[0], [[_value(value) for value in row] for row in rows[1:] if len(row) == len(rows[0])]


def _value(text: str) -> Any:
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    if re.fullmatch(r"-?\d*\.\d+(e[-+]?\d+)?", text, re.IGNORECASE):
        return float(text)
    return text
