"""What an import will write, and what its report will say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from trainyard.host.monorepo.sources import shown
from trainyard.host.scaffold.importing.source_tree import Left


@dataclass(frozen=True)
class Planned:
    """A file below the monorepo: ``content``, or that of the file ``source`` of the tree as it is. ``why`` it is not
    the same as there."""

    source: PurePosixPath | None = None
    content: bytes | None = None
    why: str = ""
    executable: bool = False


@dataclass
class Unit:
    """A project, or a model alone, that comes from one source.

    ``folder`` is where it goes, ``models`` its model directories, both below the monorepo. ``files`` may lie elsewhere,
    too. ``failed`` names the models that are not brought, with the reason.
    """

    folder: PurePosixPath
    kind: str
    models: list[PurePosixPath] = field(default_factory=list)
    files: dict[PurePosixPath, Planned] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    untrained: bool = False  # nothing trains it

    def bring(self, path: PurePosixPath, source: PurePosixPath) -> None:
        """A file as it is."""
        self.files[path] = Planned(source)

    def write(self, path: PurePosixPath, content: str | bytes, why: str, source: PurePosixPath | None = None) -> None:
        """A file that is made, or made of ``source``."""
        text = content.encode() if isinstance(content, str) else content
        self.files[path] = Planned(source, text, why)

    def drop(self, source: PurePosixPath, why: str) -> None:
        self.left.append(Left(source, why))

    def changed(self) -> Iterator[tuple[PurePosixPath, Planned]]:
        """The files that are not as in the source, sorted."""
        yield from sorted((path, one) for path, one in self.files.items() if one.content is not None)


def place(source: PurePosixPath, line: int = 0) -> str:
    """A file of the source as the report names it, with a line or without."""
    return f"{shown(source)}:{line}" if line else shown(source)
