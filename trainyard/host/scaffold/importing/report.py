"""The report of an import: ``IMPORTED.md`` in what was brought, and its short form for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from trainyard.host.operations.problems import Problem
from trainyard.host.scaffold.importing.unit import Unit

FILE = "IMPORTED.md"
RULES = (
    "A name that is taken gets a number, or the project's name in front: projects `<name>_2`, images "
    "`<project>-<model>`, routes `<project>/<route>`, binaries `<MODEL_NAME>_<model>`."
)


def report_of(unit: Unit, label: str, problems: Sequence[Problem]) -> str:
    """The text of ``IMPORTED.md``; ``problems`` are those that make check finds."""
    parts = [
        f"# What was imported\n\nFrom `{label}` ({unit.kind}), by `make import`. Nothing of it was run.\n",
        *_section("Models", [f"`{path.relative_to('projects')}`" for path in unit.models]),
        *_section("Could not be brought", unit.failed),
        *_section("What to do", to_do_of(unit, problems)),
        *_section("What could not be", unit.impossible),
        *_section("Names", unit.decided, RULES if unit.decided else ""),
        *_section("What was changed", [f"`{path}`: {one.why}" for path, one in unit.changed()]),
        *_section("What stayed in the source", [str(left) for left in unit.left]),
    ]
    return "\n".join(parts)


def to_do_of(unit: Unit, problems: Sequence[Problem]) -> list[str]:
    """What the user has to do, with what make check says."""
    of_check = [f"{one}" for one in problems if one.path.is_relative_to(unit.folder)]
    names = [str(path.relative_to("projects")) for path in unit.models]
    verb = "predict" if unit.untrained else "train"
    each = f"make {verb} MODEL={names[0]}" if len(names) == 1 else f"make train MODEL=... of each: {' '.join(names)}"
    return [*unit.to_do, *of_check, f"make lock, then {each}"]


def summary(unit: Unit, problems: Sequence[Problem], report: PurePosixPath) -> Iterator[str]:
    """A few lines about what came."""
    yield f"{unit.folder}: {len(unit.models)} model(s) of {unit.kind}; the report is {report}"
    yield from (f"could not be: {one}" for one in [*unit.failed, *unit.impossible])
    yield from (f"to do: {one}" for one in to_do_of(unit, problems))


def _section(title: str, lines: Sequence[str], note: str = "") -> Iterator[str]:
    if lines:
        yield f"## {title}\n"
        if note:
            yield f"{note}\n"
        yield "".join(f"- {_escaped(line)}\n" for line in dict.fromkeys(lines))


def _escaped(line: str) -> str:
    """A stranger's text is no markup."""
    return line.replace("<", "&lt;").replace("\n", " ")
