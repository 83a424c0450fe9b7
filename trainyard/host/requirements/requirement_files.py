"""What a model requires: the lines of its requirements files, or what a lock of another tool is the lock of.

The one reader, for builds, ``make lock`` and ``all/``: what it gives stands by itself, without files beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.host.monorepo.model_dir import STATE, ModelDir
from trainyard.host.requirements.chosen_file import PROJECT, find_requirements
from trainyard.host.requirements.local_packages import LocalPackage
from trainyard.host.requirements.lock_files import INDEX
from trainyard.host.requirements.lock_names import find_lock
from trainyard.host.requirements.requirement_text import CONTINUED, Line, Reader, logical_lines, read_requirement_text
from trainyard.host.support.product import page

INCLUDE = {"-r", "--requirement"}
CONSTRAIN = {"-c", "--constraint"}
EDITABLE = {"-e", "--editable"}
HELD_ANYWAY = {"--require-hashes", "--prefer-binary"}  # locks have hashes; uv takes wheels where there are any
FIXES = {
    "-i": f"write {INDEX} <url>, or set INDEX_URL",
    "--index-url": f"write {INDEX} <url>, or set INDEX_URL",
    "-f": f"write {INDEX} <url>, or put the wheel beside the model and write ./wheels/<name>.whl",
    "--find-links": f"write {INDEX} <url>, or put the wheel beside the model and write ./wheels/<name>.whl",
    "--trusted-host": "set CA_BUNDLE to the CA file of that host",
    "--pre": "name the version: <name>==<version>",
}
DIRECT = re.compile(
    r"[./~]|file:|\w+(\+\w+)?://|[^\s=<>!~@;]*/|\S+\.(whl|zip|tar\.gz)\b|[A-Za-z0-9][\w.-]*\s*(\[[^\]]*\])?\s*@"
)
_OPTION = re.compile(r"(--[a-z-]+|-[A-Za-z])[\s=]*(.*)")


@dataclass(frozen=True)
class Requirement:
    """Requirements, under the name that messages give them. ``locked``: versions with hashes, which must not move.
    ``lines`` are those of ``text``, with the file that each came from. ``constraints`` limit what is not required
    itself, ``limits`` are their lines, ``indexes`` are asked besides the usual one, ``packages`` are files that come
    along."""

    path: Path
    text: str
    locked: bool = False
    lines: tuple[Line, ...] = ()
    constraints: str = ""
    indexes: tuple[str, ...] = ()
    packages: tuple[LocalPackage, ...] = ()
    limits: tuple[Line, ...] = ()


def read_requirement(path: Path, below: Path, cache: Path, read: Reader = read_requirement_text) -> Requirement:
    """A requirements file, with all that it names: its includes, constraints and packages lie below the folder
    ``below``; ``cache`` is a folder that remembers what was fetched; ``read`` gives the text of a file.

    Raises:
        TrainyardError: a file or a package that is not there, or a line that cannot be honoured.
    """
    text = read(path)
    found = _Found(below.resolve(), cache, read)
    found.add(path, text)
    if found.expanded or CONTINUED.search(text):  # uv does not read all that pip does
        text = "".join(f"{line.whole}\n" for line in found.lines)
    packages = {package.filename: package for package in found.packages}
    constraints = "".join(f"{line.text}\n" for line in found.constraints)
    indexes = tuple(dict.fromkeys(found.indexes))
    return Requirement(
        path, text, False, tuple(found.lines), constraints, indexes, tuple(packages.values()), tuple(found.constraints)
    )


def model_requirement(model: ModelDir, role: str) -> Requirement:
    """What one role of a model requires.

    Raises:
        TrainyardError: there is neither a requirements file nor a lock of another tool, or it cannot be read.
    """
    if lock := find_lock(model.path, role):
        from trainyard.host.requirements.foreign_locks import direct_requirements, named_indexes

        text = "".join(f"{line}\n" for line in direct_requirements(lock, role))
        return Requirement(lock, text, locked=True, indexes=named_indexes(lock))
    return file_requirement(model, role)


def file_requirement(model: ModelDir, role: str, read: Reader = read_requirement_text) -> Requirement:
    """What the role's own files say, whatever locks of other tools there are.

    Raises:
        TrainyardError: as ``model_requirement``.
    """
    path = find_requirements(model.path, role)
    if path.name != PROJECT:
        return read_requirement(path, model.project, model.root / STATE / "packages", read)
    from trainyard.host.requirements.project_files import project_requirements

    lines = tuple(Line(path, 0, text) for text in project_requirements(path, role, read))
    return Requirement(path, "".join(f"{line.text}\n" for line in lines), False, lines)


def lines_of(requirement: Requirement) -> tuple[Line, ...]:
    """The requirements, each with its place, as they were read."""
    if requirement.lines:
        return requirement.lines
    found = logical_lines(requirement.path, requirement.text)
    return tuple(Line(line.path, 0, line.text) if requirement.locked else line for line in found)


def requirement_lines(requirement: Requirement) -> Iterator[Line]:
    """The same, each checked.

    Raises:
        TrainyardError: a line that is not a requirement.
    """
    from packaging.requirements import InvalidRequirement  # an edit does not wait for what parses requirements
    from packaging.requirements import Requirement as Parsed

    for line in lines_of(requirement):
        try:
            Parsed(line.text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise line.error(f"is not a requirement: {reason}", "write name>=version") from None
        yield line


@dataclass
class _Found:
    """What a requirements file says, and those that it includes."""

    below: Path
    cache: Path
    text_of: Reader
    lines: list[Line] = field(default_factory=list)
    constraints: list[Line] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    packages: list[LocalPackage] = field(default_factory=list)
    expanded: bool = False
    reading: list[Path] = field(default_factory=list)

    def add(self, path: Path, text: str) -> None:
        self.reading.append(path.resolve())
        for line in logical_lines(path, text):
            if line.text.startswith("-"):
                self.expanded = True
                self._read_option(line)
            elif DIRECT.match(line.text):
                self._add_direct(line, line.text)
            else:
                self.expanded = self.expanded or bool(line.hashes)
                self.lines.append(line)
        self.reading.pop()

    def _read_option(self, line: Line) -> None:
        option, value = match.groups() if (match := _OPTION.fullmatch(line.text)) else (line.text, "")
        if option in INCLUDE and (path := self._included(line, value)):
            self.add(path, self.text_of(path))
        elif option in CONSTRAIN and (path := self._included(line, value)):
            self.constraints += self._plain(path)
        elif option in EDITABLE:
            self._add_direct(line, value)
        elif option == INDEX and re.match("https?://", value):
            self.indexes.append(value.rstrip("/"))
        elif option not in HELD_ANYWAY:
            fix = FIXES.get(option, f"take it out, or write the requirements out; see {page('contract.md')}")
            raise line.error("is an option that builds do not know", fix)

    def _included(self, line: Line, name: str) -> Path:
        path = line.path.parent / name
        if "://" in name or not path.resolve().is_relative_to(self.below):
            raise line.error(f"names a file that is not below {self.below}", "copy it there")
        if not path.is_file():
            raise line.error(f"names a file that is not there ({path.resolve()})", "write it, or take the line out")
        if path.resolve() in self.reading:
            raise line.error("includes a file that includes this one", "take one of the two lines out")
        return path

    def _plain(self, path: Path) -> Iterator[Line]:
        """The lines of a constraints file."""
        for line in logical_lines(path, self.text_of(path)):
            if line.text.startswith("-") or DIRECT.match(line.text):
                raise line.error("is not a constraint", "write name<version")
            yield line

    def _add_direct(self, line: Line, text: str) -> None:
        """A requirement that says where its package is: a file, a folder, a commit, a URL."""
        from trainyard.host.requirements.direct_references import resolve_direct

        required, package = resolve_direct(line, text, self.below, self.cache)
        self.expanded = self.expanded or required.text != line.text
        self.lines.append(required)
        if package:
            self.packages.append(package)
