"""Reads a model directory: its Makefile's three variables, its ``.s2i/environment``, its requirements.

    projects/<project>/<model>/{Makefile,.s2i/environment,requirements_train.txt,requirements_predict.txt,setup.sh,...}

The same values serve make, the command line, images and the merged ``all/`` directories.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from trainyard.contract.environment import Environment, read_environment
from trainyard.contract.files import read_text
from trainyard.contract.namesakes import owner_of
from trainyard.contract.routes import Route, routes_of
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.support.product import page

Role = Literal["train", "predict"]
ROLES: tuple[Role, ...] = ("train", "predict")
COMMAND_LINE = "command line"  # the source of a variable that make was given
STATE = ".trainyard"  # at the top of a monorepo: what commands leave behind
MODEL_VARIABLES = ("MODEL_NAME", "DATASET_NAME", "CONTAINER_NAME")
ALL_VARIABLES = ("MODEL_DIRS", "CONTAINER_NAME")
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*(?:::?|\?)?=\s*(.*)")
_IMAGE_NAME = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_BINARY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Value:
    """A value and where it came from, for ``make show`` and for error messages."""

    text: str
    source: str


@dataclass(frozen=True)
class ModelDir:
    """One model directory. ``project`` is its parent, ``root`` the monorepo."""

    path: Path
    root: Path
    variables: Mapping[str, Value] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.path.parent

    @property
    def name(self) -> str:
        """``<project>/<model>``, as in ``make train MODEL=<project>/<model>``."""
        return f"{self.project.name}/{self.path.name}"

    @property
    def model_name(self) -> str:
        """The binary is ``models/<model_name>.pkl``."""
        return self._checked("MODEL_NAME", _BINARY_NAME, "use letters, digits, '.', '_' and '-'")

    @property
    def dataset_name(self) -> str:
        """The dataset: a path below the project folder, or ``<store>:<path>``."""
        value = self._need("DATASET_NAME")
        parts = PurePosixPath(parse_ref(value.text).path).parts
        if PurePosixPath(value.text).is_absolute() or ".." in parts:
            raise TrainyardError(
                f"{value.source}: DATASET_NAME {value.text!r} is not below the project",
                "name a file such as data/table.csv: only data/ and models/ are mounted",
            )
        return value.text

    @property
    def container_name(self) -> str:
        """Images are ``<container_name>-train`` and ``<container_name>-predict``."""
        return self._checked("CONTAINER_NAME", _IMAGE_NAME, "use lower-case letters, digits, '-', '_' and '.'")

    def image(self, role: str) -> str:
        return f"{self.container_name}-{role}"

    @cached_property
    def environment(self) -> Environment:
        return read_environment(self.path / ".s2i" / "environment")

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        return routes_of(self.environment)

    @property
    def setup(self) -> Path | None:
        path = self.path / "setup.sh"
        return path if path.is_file() else None

    @property
    def sample(self) -> Path:
        """One request body, which ``make test-endpoint`` posts."""
        return self.path / "test" / "test_instances.json"

    @property
    def binary(self) -> Path:
        return self.project / "models" / f"{self.model_name}.pkl"

    def _need(self, variable: str) -> Value:
        value = self.variables.get(variable)
        if value is None or not value.text:
            raise TrainyardError(f"{self.path / 'Makefile'}: {variable} is missing", f"add a line {variable} := ...")
        return value

    def _checked(self, variable: str, pattern: re.Pattern[str], fix: str) -> str:
        value = self._need(variable)
        if not pattern.fullmatch(value.text):
            raise TrainyardError(f"{value.source}: {variable} {value.text!r} cannot be a name", fix)
        return value.text


def read_model_dir(path: Path, root: Path, overrides: Mapping[str, str] | None = None) -> ModelDir:
    """Read a model directory; ``overrides`` are variables given on make's command line.

    Raises:
        TrainyardError: no such directory, no Makefile, a directory name that Python cannot import.
    """
    path = path.resolve()
    check_importable(path, root)
    given = {key: Value(text, COMMAND_LINE) for key, text in (overrides or {}).items() if key in MODEL_VARIABLES}
    return ModelDir(path, root, {**read_variables(path / "Makefile"), **given})


def check_importable(path: Path, root: Path) -> None:
    """A project and a model are Python packages, so their folder names must be identifiers."""
    if not _is_there(path, stat.S_ISDIR):
        raise TrainyardError(f"{path}: no such model directory", "run make list to see those that exist")
    below = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-2:]
    for part in below:
        if not _IDENTIFIER.fullmatch(part):
            raise TrainyardError(
                f"{path}: the folder name {part!r} cannot be a Python package",
                "rename it: letters, digits and '_', no spaces",
            )
    if below[:1] == ("projects",) and below[1:] and (owner := owner_of(below[1])):
        raise TrainyardError(
            f"{path.parent}: a project cannot be named {below[1]!r}: {owner} has that name",
            "rename the folder, also where .s2i/environment and imports name it",
        )


def _is_there(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.stat().st_mode)
    except PermissionError as error:
        raise TrainyardError(f"{path}: {error.strerror}", "check the permissions of its folder") from None
    except OSError:
        return False


def read_variables(makefile: Path) -> dict[str, Value]:
    """The plain assignments of a leaf Makefile, without running make; quotes around a value are dropped."""
    if not _is_there(makefile, stat.S_ISREG):
        raise TrainyardError(
            f"{makefile}: no such file", f"write three variables and an include: {page('contract.md')}"
        )
    lines = read_text(makefile).split("\n")
    variables: dict[str, Value] = {}
    for number, line in enumerate(lines, start=1):
        if line.startswith("\t") or not (match := _ASSIGNMENT.fullmatch(line.strip())):
            continue
        text = re.sub(r"(^|\s)#.*", "", match[2]).strip().strip("\"'")
        if "$" in text and match[1] in MODEL_VARIABLES + ALL_VARIABLES:
            raise TrainyardError(f"{makefile}:{number}: {match[1]} is computed by make", "write its value out")
        variables[match[1]] = Value(text, f"{makefile}:{number}")
    return variables
