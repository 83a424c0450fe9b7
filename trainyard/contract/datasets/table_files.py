"""How a file becomes lines of fields: text in any usual form, packed or not, and Parquet or Arrow.

What a file is, its first bytes say, not its name. Which character separates its fields, its first lines say
(`text_records`). Its encoding is UTF-8 unless it begins with a byte-order mark: bytes of Windows-1252 and
Latin-1 fit many encodings, so a guess could change values without a word.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from trainyard.contract.datasets import arrow_files
from trainyard.contract.datasets.arrow_files import Line
from trainyard.contract.datasets.text_records import read_records
from trainyard.contract.files import dataset_files
from trainyard.errors import TrainyardError

_NAMES_SHOWN = 5
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as UTF-16's does
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# With what follows in such a file: a column may be called FEA1, or BZh.
_REFUSED = {
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save its sheet as CSV"),
    b"FEA1\0": ("a Feather file of version 1", "write it again as Parquet"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "unpack it, or pack it by gzip"),
}
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError)


def read_parts(
    path: Path, wanted: Collection[str] = (), *, separator: str = "", encoding: str = ""
) -> Iterator[tuple[Path, Iterator[Line]]]:
    """Each file of a table and its lines, as `read_lines` gives them: ``path``, or the files of that folder, sorted.

    Left out are files whose name, or that of a folder around them, begins with ``.`` or ``_``: Spark and others put
    there what is no part of the table.

    Raises:
        TrainyardError: the folder holds no such files; two of them have other columns.
    """
    first: tuple[Path, list[str]] | None = None
    for part in _parts(path):
        lines = read_lines(part, wanted, separator=separator, encoding=encoding)
        header = next(lines, (0, []))
        names = sorted(str(name).strip() for name in header[1])
        if first and names and names != first[1]:
            raise TrainyardError(
                f"{part}: its columns are not those of {first[0]}: {_difference(names, first[1])}",
                "give both the same header, or keep one table in the folder",
            )
        first = first or (part, names)
        yield part, chain([header], lines)


def _parts(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = dataset_files(path)
    parts = [file for file in files if not any(name[0] in "._" for name in file.relative_to(path).parts)]
    if not parts:
        raise TrainyardError(f"{path}: no file of the folder is part of a table", "put its parts there")
    return parts


def _difference(names: list[str], others: list[str]) -> str:
    missing = [f"no {name}" for name in others if name not in names]
    added = [f"also {name}" for name in names if name not in others]
    return ", ".join([*missing, *added][:_NAMES_SHOWN]) or "a name is repeated"


def read_lines(path: Path, wanted: Collection[str] = (), *, separator: str = "", encoding: str = "") -> Iterator[Line]:
    """``(line number, fields)`` of a table file, the header first, blank lines left out; nothing for an empty file.

    Each line has as many fields as the header. A field of a text file is its text; one of Parquet or Arrow has the
    type and meaning of `arrow_files`, whose rows count from line 2. A record of several lines has the number of its
    first.

    Args:
        wanted: names of columns; of Parquet and Arrow the others are not read, and None. Empty: all are.
        separator: between the fields of a text file, where its first lines do not say it.
        encoding: of a text file without a byte-order mark; default UTF-8.

    Raises:
        TrainyardError: no such file, or not a table that can be read; it names the line where one is at fault.
    """
    try:
        with path.open("rb") as file:
            if arrow_files.is_arrow(file.peek(8)):
                yield from arrow_files.read_lines(path, wanted)
            else:
                yield from read_records(path, _text(_unpacked(path, file), encoding), separator)
    except FileNotFoundError:
        raise TrainyardError(f"{path}: no such dataset", "put it there, or name another by DATASET_NAME") from None
    except (OSError, *_DAMAGED) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> TrainyardError:
    # bz2 raises an OSError without a number.
    if isinstance(error, OSError) and error.errno is not None:
        return TrainyardError(f"{path}: cannot be read ({error.strerror})", "check the file")
    return TrainyardError(f"{path}: cannot be unpacked ({error})", "copy or pack it again")


def _unpacked(path: Path, file: io.BufferedReader) -> io.BufferedReader:
    start = file.peek(8)
    for magic, (what, fix) in _REFUSED.items():
        if start.startswith(magic):
            raise TrainyardError(f"{path}: {what}", fix)
    for magic, unpack in _PACKED.items():
        if start.startswith(magic):
            return io.BufferedReader(cast("io.RawIOBase", unpack(path, file)))
    return file


def _zip_member(path: Path, file: BinaryIO) -> io.BufferedIOBase:
    archive = zipfile.ZipFile(file)
    # macOS adds a shadow of each file.
    members = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    names = {one.filename for one in members}
    if names & {"[Content_Types].xml", "mimetype"}:
        raise TrainyardError(f"{path}: a spreadsheet", "save its sheet as CSV")
    if len(members) != 1:
        raise TrainyardError(f"{path}: a zip archive of {len(members)} files", "unpack it, or leave one file in it")
    if members[0].flag_bits & 1:
        raise TrainyardError(f"{path}: a zip archive with a password", "unpack it")
    return cast("io.BufferedIOBase", archive.open(members[0]))


_PACKED: dict[bytes, Callable[[Path, BinaryIO], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda _, file: gzip.GzipFile(fileobj=file),
    b"BZh91AY&SY": lambda _, file: bz2.BZ2File(file),
    b"\xfd7zXZ\0": lambda _, file: lzma.LZMAFile(file),  # noqa: SIM115 -- closed with the file below it
    b"PK\3\4": _zip_member,
}


def _text(file: io.BufferedReader, encoding: str) -> io.TextIOWrapper:
    start = file.peek(4)
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "")
    try:
        return io.TextIOWrapper(file, marked or encoding or "utf-8", newline="")
    except LookupError:
        raise TrainyardError(f"there is no encoding {encoding!r}", 'give one such as encoding="cp1252"') from None
