"""The interface of a kind of source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainyard.host.scaffold.importing.names import Names
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import Unit


@dataclass(frozen=True)
class Kind:
    """``recognises`` looks at the names of files and at little else; ``bring`` reads, and raises TrainyardError where
    nothing of the source can be brought."""

    name: str
    looks_like: str
    recognises: Callable[[SourceTree], bool]
    bring: Callable[[SourceTree, Names], list[Unit]]
