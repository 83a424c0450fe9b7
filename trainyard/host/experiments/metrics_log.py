"""Reads ``metrics.jsonl``, which a training writes while we read it, and ``tags.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.host.support.reporter import Reporter
from trainyard.host.support.shared_folder import SharedFolder


@dataclass(frozen=True)
class Point:
    """A metric at one step; ``time`` in milliseconds since 1970. The value may be NaN or infinite."""

    name: str
    value: float
    step: int
    time: int


class Follower:
    """Reads a growing file: each call of ``new`` gives the points that have come since the last.

    ``path`` is runs/<id>/<name>, which the training may have replaced by anything.
    """

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self._path = path
        self._reporter = reporter
        self._offset = 0
        self._warned = False

    def new(self) -> list[Point]:
        """A line without its end is left for the next call; one that is not a point is left out."""
        try:
            with SharedFolder.of_run(self._path.parent).open(self._path.name) as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            if not self._warned:
                _warn(self._path, error, self._reporter)
            self._warned = True
            return []
        whole, end, _ = content.rpartition(b"\n")
        self._offset += len(whole) + len(end)
        return list(_points(whole.splitlines()))


def read_points(path: Path, reporter: Reporter) -> list[Point]:
    """All points of a file; none where there is none."""
    return Follower(path, reporter).new()


def read_tags(path: Path, reporter: Reporter) -> dict[str, str]:
    """The tags that a training has set, the last word on each; ``path`` is runs/<id>/<name>."""
    try:
        lines = SharedFolder.of_run(path.parent).read(path.name).splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        _warn(path, error, reporter)
        return {}
    found = (_object(line) for line in lines)
    return {_whole(one["name"]): _whole(one["value"]) for one in found if {"name", "value"} <= one.keys()}


def _warn(path: Path, error: OSError, reporter: Reporter) -> None:
    reporter.warn(f"{path}: cannot be read ({error.strerror}), so what it says is not known")


def _points(lines: Iterable[bytes]) -> Iterator[Point]:
    for line in lines:
        one = _object(line)
        try:
            yield Point(_whole(one["name"]), float(one["value"]), int(one.get("step", 0)), int(one.get("time", 0)))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue  # cut off by a kill or a full disk; the training's own writer writes no such line


def _whole(found: Any) -> str:
    """A text that can be written down: JSON may have half a character (of a file's name that is not UTF-8)."""
    return str(found).encode(errors="replace").decode()


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
