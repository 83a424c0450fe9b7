"""From the lines of a text to its records: which character separates the fields, and where a record ends."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from trainyard.errors import TrainyardError

Record = tuple[int, list[str]]

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_SAMPLE = 20  # lines by which the separator is found
# Excel's own first line, by which its users choose: sep=;
_EXCEL = re.compile(r"sep=([^\"\r\n])\s*", re.IGNORECASE)
_JSON = re.compile(r"\s*(\[\s*)?\{\s*(\"|$)|\s*\[\s*$")  # how its first line begins
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
        TrainyardError: not a text of that encoding, JSON, two separators are possible, a quote is not closed, a record
            has another number of fields.
    """
    csv.field_size_limit(sys.maxsize)  # 131,072 characters unless raised; a text may be longer
    last = [""]
    lines = _lines(text, last)
    sample: list[str] = []
    try:
        for line in islice(lines, _SAMPLE):
            sample.append(line)  # noqa: PERF402 -- extend() need not keep the lines before a fault
    except UnicodeError as error:
        raise _not_encoded(path, len(sample), error, text.encoding) from None
    if sample and _JSON.match(sample[0]):
        raise TrainyardError(f"{path}: JSON, not a table with a header", "save it as CSV or Parquet")
    separator, sample = _separator_of(path, sample, separator)
    reader = _reader(chain(_lines(sample, last), lines), separator, strict=True)
    return _records(path, reader, separator, last, text.encoding)


def _records(path: Path, reader: Any, separator: str, last: list[str], encoding: str) -> Iterator[Record]:
    """``last``: the line that the reader read last."""
    header: list[str] = []
    width = -1  # of the header
    number = 0  # of lines in the records so far
    while True:
        try:
            for fields in reader:
                number += 1
                if len(fields) == width and number == reader.line_num:
                    yield number, fields
                    continue
                if not _is_blank(fields):
                    yield number, _fitted(f"{path}:{number}", fields, header, reader.line_num - number)
                    width = len(header)
                number = reader.line_num
            return
        except csv.Error as error:  # the reader goes on with the next line
            place = f"{path}:{number + 1}"
            fields = _with_odd_quotes(place, error, reader.line_num - number - 1, last[0], separator)
            yield number + 1, _fitted(place, fields, header, 0)
            width, number = len(header), reader.line_num
        except UnicodeError as error:
            raise _not_encoded(path, reader.line_num, error, encoding) from None


def _lines(lines: Iterable[str], last: list[str]) -> Iterator[str]:
    """The same lines; ``last[0]`` is the last that was taken."""
    for line in lines:
        if "\0" in line:
            raise UnicodeError("a NUL character")
        last[0] = line
        yield line


def _with_odd_quotes(place: str, error: csv.Error, further_lines: int, line: str, separator: str) -> list[str]:
    """The fields of a line such as ``"a" b,c``: what follows a quote that is closed belongs to the text.

    Raises:
        TrainyardError: a quote is open at the end of the file, or of the line: the lines after it would be swallowed.
    """
    if str(error) == "unexpected end of data":
        raise TrainyardError(f"{place}: a quote is opened in this record and never closed", _CLOSE) from None
    if further_lines:
        raise TrainyardError(
            f"{place}: a quote is opened in this record and closed {further_lines} line(s) later, amid a text", _CLOSE
        ) from None
    fields, *others = _reader([line, "another line"], separator)
    if not others:
        raise TrainyardError(f"{place}: a quote is opened on this line and not closed", _CLOSE) from None
    return fields  # type: ignore[no-any-return]


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


def _reader(lines: Iterable[str], separator: str, *, strict: bool = False) -> Any:
    return csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ", strict=strict)


def _checked(separator: str) -> str:
    if len(separator) != 1 or separator in '"\r\n\0':
        raise TrainyardError(f"separator={separator!r} cannot separate fields", 'give one character: separator=";"')
    return separator


def _is_blank(fields: list[str]) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _fitted(place: str, fields: list[str], header: list[str], further_lines: int) -> list[str]:
    """The fields, as many as the header has; the first that are seen are the header."""
    if not header:
        header.extend(fields)
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
