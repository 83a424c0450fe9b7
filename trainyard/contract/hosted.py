"""What a training on a compute says, and is told: frames in its output, marks in a folder of its run.

Whoever follows it reads one stream, as ``kubectl logs`` or a file gives it: what the training prints, and frames. A
frame is a line of JSON after MARK, which is in no other line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MARK, END = b"\x1e", b"\n"  # RFC 7464 begins a text of JSON so
FOLDER = ".hosted"  # in run/: what is not fetched
GIVEN, FETCHED = "given", "fetched"  # marks in there: its files are there; what it wrote is at home
ENVIRONMENT = "environment"  # a file in there: variables of the training that nobody else shall see
LINKS = "links"  # a file in there, where there is a data store: links to what is read, and to where results go
OUTPUT = "output"  # a file in there, where there is a data store: all that was said
PLACES = "places"  # a file in there, where there is a storage: the sha256 of what is read, by its place
STORAGE = "storage"  # beside run/: what outlasts a container
CHUNK = 1 << 16  # bytes that are handed on at once
# Keys of frames. METRICS: new lines of metrics.jsonl. RUN: the trial that it is of; FILES: their content in base64, by
# their paths in its folder. OUT_OF_MEMORY stands beside STATUS.
METRICS, STATE, STATUS, RUN, FILES = "metrics", "state", "status", "run", "files"
OUT_OF_MEMORY = "out_of_memory"
# It waits for its files; it trains; it waits until what it wrote is fetched.
WAITING, TRAINING, KEPT = "waiting", "training", "kept"


def frame(**content: Any) -> bytes:
    """A frame as it is written. What came before it may not have ended its line."""
    return MARK + json.dumps(content).encode() + END


class WholeLines:
    """Reads a file that grows: whole lines, each once. What is there already is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.is_file() else 0

    def new(self) -> str:
        """The lines that have come; empty where there are none."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                lines, end, _ = file.read().rpartition(b"\n")
        except OSError:  # there is no file yet
            return ""
        self._offset += len(lines) + len(end)
        return (lines + end).decode(errors="replace")


class Frames:
    """Takes a stream apart, as it comes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, more: bytes) -> tuple[bytes, list[dict[str, Any]]]:
        """What was printed, and the frames, of what has come now; half a frame waits for its rest."""
        printed, found = b"", list[dict[str, Any]]()
        first, *begun = (self._rest + more).split(MARK)
        self._rest = b""
        printed += first
        for number, one in enumerate(begun, 1):
            text, end, after = one.partition(END)
            if not end and number == len(begun):
                self._rest = MARK + one
                break
            printed += after
            found += _parsed(text)
        return printed, found


def _parsed(text: bytes) -> list[dict[str, Any]]:
    """Nothing of a frame that was cut off, as a killed container leaves it."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [content] if isinstance(content, dict) else []
