"""What a training on a compute says, and is told: frames in its output, marks in a folder of its run.

Whoever follows it reads one stream, as ``kubectl logs`` or a file gives it: what the training prints, and frames. A
frame is a line of JSON after MARK, which is in no other line.
"""

from __future__ import annotations

import json
from typing import Any

MARK, END = b"\x1e", b"\n"  # RFC 7464 begins a text of JSON so
FOLDER = ".hosted"  # in run/: what is not fetched
GIVEN, FETCHED = "given", "fetched"  # marks in there: its files are there; what it wrote is at home
METRICS, TAGS, STATE, STATUS = "metrics", "tags", "state", "status"  # keys of frames
WAITING, TRAINING, KEPT = (
    "waiting",
    "training",
    "kept",
)  # states: for its files; at work; until what it wrote is fetched


def frame(**content: Any) -> bytes:
    """A frame as it is written. What came before it may not have ended its line."""
    return MARK + json.dumps(content).encode() + END


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
