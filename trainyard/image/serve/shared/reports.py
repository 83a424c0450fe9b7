"""What the processes of a daemon report to its supervisor, and what that publishes for them to read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LONGEST_REPORT = 1 << 16
LONGEST_TEXT = 300  # characters of a reason


@dataclass(frozen=True)
class RouteState:
    """The version of the model that answers a route, and why the route is not ready; empty where it is."""

    version: str
    reason: str


@dataclass(frozen=True)
class Report:
    """Of the process ``pid``, which belongs to a generation."""

    generation: int
    pid: int = field(default_factory=os.getpid, kw_only=True)


@dataclass(frozen=True)
class Candidate(Report):
    """It begins to load what has changed."""


@dataclass(frozen=True)
class Refused(Report):
    """The generation will not serve; by route, why not."""

    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Renewed(Report):
    """It has loaded what has changed: which routes, and by route why others keep the model that they had."""

    renewed: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready(Report):
    """The generation can serve."""

    routes: Mapping[str, RouteState] = field(default_factory=dict)


_KINDS: dict[str, type[Report]] = {kind.__name__: kind for kind in (Candidate, Refused, Renewed, Ready)}


def encoded(report: Report) -> bytes:
    """A text that is too long is cut; facts that are too many are left out."""
    what = {"what": type(report).__name__}
    content = json.dumps(what | _cut(asdict(report))).encode()
    if len(content) > LONGEST_REPORT:
        content = json.dumps(what | {"generation": report.generation, "pid": report.pid}).encode()
    return content


def decoded(content: bytes) -> Report:
    facts = json.loads(content)
    kind = _KINDS[facts.pop("what")]
    return kind(**_with_routes(facts))


@dataclass(frozen=True)
class DaemonState:
    """What the supervisor publishes.

    Attributes:
        accepted: the generation that serves; 0: none yet.
        routes: of that generation.
        refused: by route, why a newer model was refused.
        crashed: by route, how loading it ended a process.
        changed: files of models/ that the next generation is to load again; None: all.
    """

    accepted: int = 0
    routes: Mapping[str, RouteState] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    crashed: Mapping[str, str] = field(default_factory=dict)
    changed: Sequence[str] | None = ()

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, content: bytes) -> DaemonState:
        return cls(**_with_routes(json.loads(content)))


def _with_routes(facts: dict[str, Any]) -> dict[str, Any]:
    if "routes" in facts:
        facts["routes"] = {path: RouteState(**state) for path, state in facts["routes"].items()}
    return facts


def _cut(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {key: _cut(value) for key, value in facts.items()}
    if isinstance(facts, str) and len(facts) > LONGEST_TEXT:
        return facts[:LONGEST_TEXT] + "..."
    return facts
