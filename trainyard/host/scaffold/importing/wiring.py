"""The two files that make a folder a model directory here: its Makefile and its ``.s2i/environment``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MAKEFILE = """\
MODEL_NAME     := {model}
DATASET_NAME   := {dataset}
CONTAINER_NAME := {image}

include ../../../mk/model.mk
"""
ALL_MAKEFILE = "{dirs}CONTAINER_NAME := {image}\n\ninclude {mk}/all.mk\n"
# What make prefers to a Makefile, and what holds recipes of another layout.
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
WIRING = PurePosixPath(".s2i/environment")
_DATASET = re.compile(r"[\w.][\w./ -]*")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)")


def makefile(model: str, dataset: str, image: str) -> str:
    return MAKEFILE.format(model=model, dataset=dataset, image=image)


def all_makefile(image: str, members: Sequence[str], mk: str) -> str:
    """Of an ``all/``; no ``members``: all that are there."""
    return ALL_MAKEFILE.format(dirs=f"MODEL_DIRS := {' '.join(members)}\n" if members else "", image=image, mk=mk)


def dataset_name(text: str) -> str:
    """A path below the project, as a Makefile can say it; empty where ``text`` is none."""
    path = PurePosixPath(text)
    fits = text and not path.is_absolute() and ".." not in path.parts and path.parts
    return str(path) if fits and _DATASET.fullmatch(str(path)) else ""


@dataclass(frozen=True)
class Wiring:
    """An environment file as a stranger wrote it: the value of each key, without quotes, and the lines as they are."""

    text: str
    values: dict[str, str]

    def with_values(self, values: dict[str, str]) -> str:
        """The text with these values, and lines for those that it does not have; comments stay."""
        if all(self.values.get(key) == value for key, value in values.items()) and self._is_plain():
            return self.text
        lines, said = [], set[str]()
        for line in reversed(self.text.split("\n")):  # where one is there twice, s2i has the last
            match = _LINE.fullmatch(line.strip())
            if match and match[1] in values and match[1] not in said:
                said.add(match[1])
                lines.append(f"{match[1]}={values[match[1]]}")
            elif not line.strip() or line.strip().startswith("#"):
                lines.append(line.strip())
        lines.reverse()
        lines += [f"{key}={value}" for key, value in values.items() if key not in said]
        return "\n".join(line for line in lines).strip("\n") + "\n"

    def _is_plain(self) -> bool:
        """Whether our own reader takes every line as it is."""
        lines = [line.strip() for line in self.text.split("\n") if line.strip() and not line.strip().startswith("#")]
        matches = [re.fullmatch(r"([A-Za-z_]\w*)=(?!['\"]).*", line) for line in lines]
        names = [match[1] for match in matches if match]
        return len(names) == len(lines) == len(set(names))


def read_wiring(text: str) -> Wiring:
    """What s2i takes from such a file: a line without ``=`` says nothing, the last of a key counts."""
    values = {}
    for line in text.split("\n"):
        if not line.strip().startswith("#") and (match := _LINE.fullmatch(line.strip())):
            values[match[1]] = match[2].strip().strip("\"'").strip()
    return Wiring(text, values)


@dataclass(frozen=True)
class RouteText:
    path: str
    module: str
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.module}:{self.function}"


def route_texts(routes: str, rename: Callable[[str], str] = lambda name: name) -> list[RouteText]:
    """``route:module:function[,...]``; what has not three parts is left out. ``rename`` is of modules."""
    parts = [[one.strip() for one in part.split(":")] for part in routes.split(",")]
    return [RouteText(part[0].strip("/"), rename(part[1]), part[2]) for part in parts if len(part) == 3]
