"""The computes that jobs may train on: those of the service's own monorepo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainyard.host.compute.compute_file import read_computes


@dataclass(frozen=True)
class KnownComputes:
    """Of the monorepo at ``root``. ``default``: where jobs train that name none; ``jobs``: how many run at once here,
    and on a compute whose entry does not say it."""

    root: Path
    default: str
    jobs: int

    def chosen(self, asked: str) -> str:
        """Raises:
        TrainyardError: there is none of that name."""
        if name := asked or self.default:
            read_computes(self.root).find(name)
        return name

    def limit(self, name: str) -> int:
        """How many jobs may run there at once. One that is gone from the file is none: its jobs begin, and fail.

        Raises:
            TrainyardError: the file has a mistake.
        """
        entry = read_computes(self.root).entries.get(name) if name else None
        return (entry.limit if entry else 0) or self.jobs
