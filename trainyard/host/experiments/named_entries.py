"""Files at the top of a monorepo that declare things by name: data stores, computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.experiments.yaml_files import YamlFile, dump_yaml, read_yaml

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class NamedEntries(Generic[Entry]):
    """The whole file, and the line of each entry. ``WHAT`` one is called, ``HEADER`` begins a file, ``ADDING`` is how
    somebody adds one."""

    path: Path
    entries: Mapping[str, Entry]
    lines: Mapping[str, int]

    WHAT: ClassVar[str]
    HEADER: ClassVar[str]
    ADDING: ClassVar[str]

    def find(self, name: str) -> Entry:
        """Raises:
        TrainyardError: there is none of that name."""
        if name in self.entries:
            return self.entries[name]
        known = f"it has {', '.join(self.entries)}" if self.entries else "it has none"
        raise TrainyardError(
            f"{self.path}: no {self.WHAT} {name}", f"{known}; make {self.ADDING.format(name=name)} adds one"
        )

    def append(self, name: str, content: Mapping[str, Any]) -> None:
        """Add one to the file, behind what is there.

        Raises:
            TrainyardError: there is one of that name.
            OSError: it cannot be written.
        """
        if name in self.entries:
            raise TrainyardError(
                f"{self.path}:{self.lines[name]}: {name} is there already", "edit that line, or take another name"
            )
        before = self.path.read_text() if self.path.is_file() else self.HEADER
        if before and not before.endswith("\n"):
            before += "\n"
        write_whole(self.path, before + dump_yaml({name: dict(content)}))


def read_named(path: Path, what: str, example: str, check_name: Callable[[object], None]) -> YamlFile | None:
    """A file whose names are right; None where there is none. ``what`` they are, in messages; ``check_name`` raises
    ValueError.

    Raises:
        TrainyardError: naming file, line and fix.
    """
    if not path.is_file():
        if path.is_symlink() or path.exists():
            raise TrainyardError(f"{path}: not a file", "remove it, or put the file there")
        return None
    file = read_yaml(path)
    if file.content is None:
        return None
    if not isinstance(file.content, dict):
        raise TrainyardError(f"{path}:1: not a mapping of names to {what}", f"write {example}")
    for name in file.content:
        try:
            check_name(name)
        except ValueError as error:
            raise TrainyardError(f"{file.where((str(name),))}: {name!r} is {error}", "rename it") from None
    return file
