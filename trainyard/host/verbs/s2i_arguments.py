"""What the words after ``s2i`` mean: the command, and of ``build`` the source and the builder image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Global options of s2i whose value is the next word, which must not be taken for the command.
WITH_VALUE = ("--ca", "--cert", "--key", "--loglevel", "--url", "-U")
INCREMENTAL = "--incremental"
COPY = ("-c", "--copy")
# Options of a build that say nothing about what is installed, nor where, nor by whom.
SWITCHES = (*COPY, INCREMENTAL, "--rm", "--run", "-q", "--quiet", "--keep-symlinks")
NAMED = ("-n", "--application-name", "--description", "--loglevel")


def command_position(arguments: Sequence[str]) -> int | None:
    """Where in ``arguments`` the command is; None where there are only options."""
    skip = False
    for position, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument in WITH_VALUE:
            skip = True
        elif not argument.startswith("-"):
            return position
    return None


@dataclass(frozen=True)
class PlainBuild:
    """``s2i build SOURCE BUILDER [TAG]`` of a folder's files, without options that change what is installed."""

    words: tuple[str, ...]
    source: Path
    builder_position: int

    @property
    def builder(self) -> str:
        return self.words[self.builder_position]

    def on(self, builder: str) -> list[str]:
        """The same build on another builder image, which has everything that an incremental build would save."""
        words = [*self.words[: self.builder_position], builder, *self.words[self.builder_position + 1 :]]
        return [word for word in words if word != INCREMENTAL]


def plain_build(words: Sequence[str]) -> PlainBuild | None:
    """Of the words after ``build``; None where they say more, or where git says what is built."""
    positions: list[int] = []
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word in NAMED:
            skip = True
        elif not word.startswith("-"):
            positions.append(position)
        elif word not in SWITCHES and word.partition("=")[0] not in NAMED:
            return None
    if len(positions) not in (2, 3):
        return None
    source = Path(words[positions[0]])
    if not source.is_dir() or ((source / ".git").exists() and not set(COPY) & set(words)):
        return None
    return PlainBuild(tuple(words), source, positions[1])
