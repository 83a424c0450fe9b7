"""From the lines of a text to its records: which character separates the fields, and where a record ends."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, tee
from pathlib import Path
from typing import Any, TextIO

from trainyard.errors import TrainyardError

Record = tuple[int, list[str]]

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_SAMPLE = 20  # lines by which the separator is found
# The last line that the CSV reader gets; no encoding has it. A quote that is never closed swallows it.
_END = "\udfff"
# Excel's own first line, by which its users choose: sep=;
_EXCEL = re.compile(r"sep=([^\"\r\n])\s*", re.IGNORECASE)
_CLOSE = 'close it; a quote that is part of a text is written twice, as in "a 3"" pipe"'


def read_records(path: Path, text: TextIO, separator: str = "") -> Iterator[Record]:
    """``(line number, fields)`` of each record, the header first; one of several lines has the number of its first.

    Blank lines are left out. Each record has as many fields as the header: blank ones at its end are added for columns
    without a name, and dropped where there are too many.

    Args:
        path: for messages.
        text: opened with ``newline=""``, so that a line end in quotes stays as it is.
        separator: of fields; empty: as the first lines have it.

    Raises:
        TrainyardError: not a text of that encoding, two separators are possible, a quote is not closed, a record has
            another number of fields.
    """
    csv.field_size_limit(sys.maxsize)  # 131,072 characters unless raised; a text may be longer
    sample: list[str] = []
    reader = None
    try:
        for line in islice(text, _SAMPLE):
            sample.append(line)  # noqa: PERF402 -- extend() need not keep the lines before a fault
        separator, sample = _separator_of(path, sample, separator)
        ahead, behind = tee(chain(sample, text, [_END]))
        reader = _reader(ahead, separator)
        yield from _records(path, reader, behind, separator)
    except UnicodeError as error:
        raise _not_encoded(path, reader.line_num if reader else len(sample), error, text.encoding) from None


def _records(path: Path, reader: Any, lines: Iterator[str], separator: str) -> Iterator[Record]:
    """``lines``: those that the reader reads, once more."""
    header: list[str] = []
    width = -1  # of the header; -1: look at each record, as the only field may be _END
    number = 0
    for fields, line in zip(reader, lines, strict=False):
        number += 1
        if len(fields) == width and number == reader.line_num and "\0" not in line:
            yield number, fields
        elif fields == [_END]:
            return
        else:
            kept = [line, *islice(lines, reader.line_num - number)]
            place = f"{path}:{number}"
            _check(place, fields, kept, separator)
            if not _is_blank(fields):
                header = header or fields
                width = len(header) if len(header) > 1 else -1
                yield number, _fitted(place, fields, header, len(kept) - 1)
            number = reader.line_num


def _separator_of(path: Path, sample: list[str], separator: str) -> tuple[str, list[str]]:
    """What separates the fields, and the sample without Excel's line about it."""
    if sample and (excel := _EXCEL.fullmatch(sample[0])):
        sample = ["\n", *sample[1:]]  # blank, not absent: lines are counted
        separator = separator or excel[1]
    return (_checked(separator) if separator else _find_separator(path, sample)), sample


def _not_encoded(path: Path, number: int, error: UnicodeError, encoding: str) -> TrainyardError:
    """``number``: of the lines before the piece of text at fault."""
    why = str(error)
    if isinstance(error, UnicodeDecodeError):
        before = error.object[: error.start].decode(error.encoding, "ignore")
        number += len(re.findall(r"\r\n?|\n", before))
        why = f"byte 0x{error.object[error.start]:02x}"
    return TrainyardError(
        f"{path}:{number + 1}: not {encoding} text ({why})",
        'save it as UTF-8, or name its encoding: read_table(path, schema, encoding="cp1252")',
    )


def _check(place: str, fields: list[str], kept: list[str], separator: str) -> None:
    """Raises:
    TrainyardError: a NUL character; a quote goes on to the end of the file, or to one that opens a later text."""
    if any("\0" in line for line in kept):
        raise TrainyardError(f"{place}: a NUL character: not a text file", "export it as UTF-8 CSV")
    if fields and _END in fields[-1]:
        raise TrainyardError(f"{place}: a quote is opened in this record and never closed", _CLOSE)
    if len(kept) > 1:
        try:
            list(_reader(kept, separator, strict=True))
        except csv.Error:
            raise TrainyardError(
                f"{place}: a quote is opened on this line and closed {len(kept) - 1} line(s) later, amid a text", _CLOSE
            ) from None


def _reader(lines: Iterable[str], separator: str, *, strict: bool = False) -> Any:
    return csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ", strict=strict)


def _checked(separator: str) -> str:
    if len(separator) != 1 or separator in '"\r\n\0':
        raise TrainyardError(f"separator={separator!r} cannot separate fields", 'give one character: separator=";"')
    return separator


def _is_blank(fields: list[str]) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _fitted(place: str, fields: list[str], header: list[str], further_lines: int) -> list[str]:
    """The fields, as many as the header has."""
    extra = fields[len(header) :] or header[len(fields) :]
    if not "".join(extra).strip():
        return (fields + [""] * len(extra))[: len(header)]
    fix = f"fix it; it goes on for {further_lines} more line(s), in quotes" if further_lines else "fix that line"
    raise TrainyardError(f"{place}: {len(fields)} field(s) where the header has {len(header)}", fix)


def _find_separator(path: Path, sample: Sequence[str]) -> str:
    """The separator that splits the header into most names, and the next lines into as many fields.

    A header that none splits has one column.
    """
    scores = {}
    for separator in SEPARATORS:
        header, *others = _first_records(sample, separator)
        if len(header) > 1:
            scores[separator] = (all(_fits(fields, header) for fields in others), len(header))
    best = max(scores.values(), default=None)
    found = [separator for separator, score in scores.items() if score == best] or [","]
    if len(found) > 1:
        raise TrainyardError(
            f"{path}: {' and '.join(SEPARATORS[one] for one in found)} split the header into equally many names",
            f"say which one separates: read_table(path, schema, separator={found[-1]!r})",
        )
    return found[0]


def _first_records(sample: Sequence[str], separator: str) -> list[list[str]]:
    """Those that are whole, the header at least."""
    records = [fields for fields in _reader(sample, separator) if not _is_blank(fields)]
    return (records[:-1] if len(sample) == _SAMPLE and records[1:] else records) or [[]]


def _fits(fields: list[str], header: list[str]) -> bool:
    return not "".join(fields[len(header) :] or header[len(fields) :]).strip()
