"""The lines of a requirements file as pip reads them: comments dropped, continued lines joined, hashes taken off.

https://pip.pypa.io/en/stable/reference/requirements-file-format/ is the format.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.network.urls import has_login

_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"\s+--hash[= ]\s*(\S+)")
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?")
# The second is what a shell's echo makes of a continued line: the two characters.
CONTINUED = re.compile(r"\\[ \t]*\n|(?<=\s)\\n(?=\s)")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
Reader = Callable[[Path], str]  # of the text of a requirements file
IN_SETTINGS = "an index that needs a password is named by EXTRA_INDEX_URL, which never gets into an image"


@dataclass(frozen=True)
class Line:
    """One requirement of one file; ``number`` is 0 where the file is not one of lines. ``hashes`` are those of the
    files that may be installed for it (``sha256:...``); empty: any."""

    path: Path
    number: int
    text: str
    hashes: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """Its name as PEP 503 has it; empty where it has none."""
        name = _NAME.match(self.text)
        return re.sub("[-_.]+", "-", name[0]).lower() if name else ""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}" if self.number else str(self.path)

    @property
    def where(self) -> str:
        return f"{self.place} ({self.shown})"

    @property
    def shown(self) -> str:
        """Its text for messages: without what a URL may hold."""
        return re.sub(r"://.*", "://...", self.text)

    @property
    def whole(self) -> str:
        """It and its hashes, on one line of a requirements file."""
        return " ".join([self.text, *(f"--hash={one}" for one in self.hashes)])

    def error(self, reason: str, fix: str) -> TrainyardError:
        return TrainyardError(f"{self.place}: {self.shown!r} {reason}", fix)


def read_requirement_text(path: Path) -> str:
    """The text of a requirements file; editors of Windows save UTF-16, which says so in its first two bytes.

    Raises:
        TrainyardError: it cannot be read, or is no text.
    """
    try:
        content = path.read_bytes()
        if content.startswith(UTF_16):
            return content.decode("utf-16").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise TrainyardError(f"{path}: not UTF-16 text, though it begins as such", "save it as UTF-8") from None
    except OSError:
        pass  # read_text says why
    return read_text(path)


def is_continued(raw: str) -> bool:
    """Whether a line of a file goes on in the next one."""
    return raw.rstrip().endswith("\\") and not raw.lstrip().startswith("#")


def logical_lines(path: Path, text: str) -> Iterator[Line]:
    """What a file has to say: its requirements and options, each with the number of its first line.

    Raises:
        TrainyardError: one has a password in it.
    """
    start, parts = 0, list[str]()
    lines = text.splitlines()
    for number, raw in enumerate(lines, start=1):
        start = start or number
        continued = is_continued(raw) and number < len(lines)
        parts.append(raw.rstrip().removesuffix("\\") if continued else raw)
        if continued:
            continue
        joined = _COMMENT.sub("", CONTINUED.sub(" ", " ".join(part.strip() for part in parts))).strip()
        if joined:
            yield _line(path, start, joined)
        start, parts = 0, []


def _line(path: Path, number: int, text: str) -> Line:
    hashes = tuple(_HASH.findall(text))
    line = Line(path, number, _HASH.sub("", text).strip() if hashes else text, hashes)
    if has_login(text) and not re.search(r"\bssh://[^:/@\s]+@", text):
        raise line.error("has a user or a password in its URL", f"take it out: {IN_SETTINGS}")
    return line
