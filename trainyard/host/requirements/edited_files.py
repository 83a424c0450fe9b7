"""Requirements files with other versions in some lines: comments, order, markers, extras and line ends stay."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from trainyard.host.requirements.chosen_file import PROJECT
from trainyard.host.requirements.old_pins import Move, moved_specifier
from trainyard.host.requirements.requirement_text import (
    UTF_16,
    Line,
    Reader,
    is_continued,
    logical_lines,
    read_requirement_text,
)

_ONE = r"(?:===?|~=|!=|[<>]=?)\s*[^\s,;#()\\]+"
_SPECIFIERS = rf"{_ONE}(?:\s*,\s*{_ONE})*"
_BETWEEN = r"(?:\s|\\\r?\n)*"
_HASHES = re.compile(r"(?:\s|\\[ \t]*\r?\n)+--hash[= ]\s*[^\s\\]+")


def edited_files(moves: Iterable[Move], below: Path) -> dict[Path, bytes]:
    """The new content of each file that has a line to move; nothing is written. Links are followed to their file.

    Raises:
        TrainyardError: a file is not below the folder ``below``, or a line of it is not one that can be edited.
    """
    found: dict[Path, list[Move]] = {}
    for move in moves:
        found.setdefault(move.line.path.resolve(), []).append(move)
    return {path: _edited(path, own, below.resolve()) for path, own in found.items()}


def reader_of(contents: Mapping[Path, bytes]) -> Reader:
    """Reads requirements files as if they had these contents already."""

    def read(path: Path) -> str:
        content = contents.get(path.resolve())
        return read_requirement_text(path) if content is None else _decoded(content)[1].replace("\r\n", "\n")

    return read


def _edited(path: Path, moves: list[Move], below: Path) -> bytes:
    first = moves[0].line
    if not path.is_relative_to(below):
        what = f"cannot be edited: {path} does not belong to the project"
        raise first.error(what, f"write {moves[0].pin} there")
    mark, text = _decoded(path.read_bytes())
    if first.path.name == PROJECT:
        return mark + _project_text(text, moves).encode()
    changed = {move.line.number: move for move in moves}  # a file that is named by two links has its lines once
    lines = text.splitlines(keepends=True)
    for number, move in sorted(changed.items(), reverse=True):
        end = number
        while end < len(lines) and is_continued(lines[end - 1]):
            end += 1
        lines[number - 1 : end] = _line_text("".join(lines[number - 1 : end]), move)
    new = "".join(lines)
    _check(path, text, new, changed)
    return mark + new.encode(_encoding(mark))


def _line_text(block: str, move: Move) -> list[str]:
    """The lines of one requirement with its new version. Hashes of the old one go."""
    name = re.match(r"\s*([\w.-]+)", block)
    head = rf"\A\s*{re.escape(name[1]) if name else ''}{_BETWEEN}(?:\[[^\]]*\])?{_BETWEEN}\(?{_BETWEEN}"
    match = re.match(rf"({head})({_SPECIFIERS})", block)
    if not match:
        raise move.line.error("cannot be edited", f"write {move.pin} by hand")
    rest = block[match.end() :]
    if move.line.hashes:
        rest = _HASHES.sub("", rest)
    return [match[1] + moved_specifier(match[2], move.version) + rest]


def _check(path: Path, old: str, new: str, moves: Mapping[int, Move]) -> None:
    """See that nothing but the versions has changed."""
    before, after = ([*logical_lines(path, text.replace("\r\n", "\n"))] for text in (old, new))
    wanted = [_moved(line, moves[line.number]) if line.number in moves else line for line in before]
    if [*map(_compared, wanted)] != [*map(_compared, after)]:
        raise next(iter(moves.values())).line.error(f"cannot be edited in {path}", "write the new version by hand")


def _compared(line: Line) -> str:
    return re.sub(r"\s+", " ", line.whole)


def _moved(line: Line, move: Move) -> Line:
    text = re.sub(_SPECIFIERS, lambda found: moved_specifier(found[0], move.version), line.text, count=1)
    return replace(line, text=text, hashes=())


def _project_text(text: str, moves: list[Move]) -> str:
    """That of a pyproject.toml, where each requirement is a string in quotes."""
    for move in moves:
        old = move.line.text
        new = _moved(move.line, move).text
        found = [quoted for quoted in (f'"{old}"', f"'{old}'") if quoted in text]
        if not found:
            raise move.line.error("cannot be edited", f"write {move.pin} by hand")
        for quoted in found:
            text = text.replace(quoted, f"{quoted[0]}{new}{quoted[0]}")
    return text


def _decoded(content: bytes) -> tuple[bytes, str]:
    """The byte-order mark, if there is one, and the text after it."""
    mark = next((mark for mark in (codecs.BOM_UTF8, *UTF_16) if content.startswith(mark)), b"")
    return mark, content[len(mark) :].decode(_encoding(mark))


def _encoding(mark: bytes) -> str:
    return {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(mark, "utf-8")
