"""The file MLproject: what is in there, and which values its entry point is given.

MLflow itself checks little of it, and puts what stands there into a command line of the machine that runs it. So
nothing of the file goes to MLflow that was not looked at here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, NoReturn

from trainyard.errors import TrainyardError
from trainyard.host.experiments.yaml_files import Place, YamlFile, parse_text

MAIN = "main"
ENVIRONMENT = ".s2i/environment"
ENVIRONMENTS = ("docker_env", "python_env", "conda_env")
# MLflow takes these files where the MLproject names no environment.
DEFAULT_FILES = (("python_env", "python_env.yaml"), ("conda_env", "conda.yaml"))
# What docker_env may have beside the image: MLflow would mount and copy what it names, of this machine.
REFUSED = {
    "volumes": "it would mount folders of the machine that trains",
    "environment": "it would copy variables of the service",
}
# The service before this one printed a command in its instructions that pipes into an option. No program is called so.
_PIPED_OPTION = re.compile(r"\|\s+(?=--)")
_IMAGE = re.compile(r"[a-zA-Z0-9][\w.:/@-]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LARGEST = 1 << 20  # bytes


@dataclass(frozen=True)
class Parameter:
    """One that the entry point declares; ``default`` is None where a value has to be given."""

    name: str
    default: str | None = None


@dataclass(frozen=True)
class ProjectFile:
    """An MLproject that was looked at. ``environment_file`` is that of ``python_env`` or ``conda_env``, relative to the
    project's folder; ``image`` that of ``docker_env``. Of the three at most one is there."""

    path: Path
    name: str
    command: str
    parameters: Mapping[str, Parameter]
    image: str = ""
    python_env: str = ""
    conda_env: str = ""

    @property
    def folder(self) -> Path:
        return self.path.parent


def is_project(folder: Path) -> bool:
    """Whether MLflow Projects run what is in the folder: it has an MLproject, and is no model directory of ours.

    Raises:
        TrainyardError: it has several.
    """
    return _find(folder) is not None and not os.path.lexists(folder / ENVIRONMENT)


def read_project(folder: Path) -> ProjectFile:
    """Read the MLproject of a folder.

    Raises:
        TrainyardError: naming file, line and fix of the first mistake; also for what MLflow would take, and what would
            reach beyond the project.
    """
    path = _find(folder)
    if path is None:
        raise TrainyardError(f"{folder}: has no file MLproject", "name the folder that has it: MLproject_location")
    file = parse_text(path.with_name(path.name), _text(path))
    if not isinstance(file.content, dict):
        raise TrainyardError(f"{path}: not names and values", "see mlflow.org/docs/latest/ml/projects")
    reader = _Reader(file)
    there = [name for name in ENVIRONMENTS if file.content.get(name)]
    if len(there) > 1:
        reader.refuse((there[1],), f"{there[1]} beside {there[0]}", "keep one of them")
    command, parameters = reader.entry_point()
    return ProjectFile(
        path, reader.text("name") or folder.resolve().name, command, parameters, reader.image(),
        **reader.environment_files(there),
    )  # fmt: skip


def _find(folder: Path) -> Path | None:
    """MLflow takes the name in any case, and of several the one that the file system lists first. Here there may be
    only one, so that what was looked at is what is run."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.name.lower() == "mlproject")
    except OSError:
        return None
    if len(names) > 1:
        raise TrainyardError(f"{folder}: has {' and '.join(names)}", "keep one of them")
    return folder / names[0] if names else None


def _text(path: Path) -> str:
    """A link may lead out of the repository."""
    if path.is_symlink() or not path.is_file():
        raise TrainyardError(f"{path}: not a regular file", "commit the file itself")
    content = path.read_bytes()
    if len(content) > _LARGEST:
        raise TrainyardError(f"{path}: larger than {_LARGEST >> 20} MB", "an MLproject has a few lines")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise TrainyardError(f"{path}: not UTF-8", "save it as UTF-8") from None


@dataclass(frozen=True)
class _Reader:
    file: YamlFile

    def refuse(self, place: Place, what: str, fix: str) -> NoReturn:
        raise TrainyardError(f"{self.file.where(place)}: {what}", fix)

    def text(self, *place: str) -> str:
        """A value that is text; empty where there is none."""
        found: Any = self.file.content
        for key in place:
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            return ""
        if not isinstance(found, str):
            self.refuse(place, f"{'.'.join(place)} is not text", "write it in quotes")
        return found.strip()

    def section(self, *place: str) -> Mapping[str, Any]:
        """Names and values; none where there are none."""
        found: Any = self.file.content
        for key in place:
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            return {}
        if not isinstance(found, dict):
            self.refuse(place, f"{'.'.join(place)} is not names and values", "write them below it, one on each line")
        return found

    def entry_point(self) -> tuple[str, Mapping[str, Parameter]]:
        points = self.section("entry_points")
        if MAIN not in points:
            named = f": there are {', '.join(map(str, points))}" if points else ""
            self.refuse(("entry_points",), f"has no entry point main{named}", "name what trains main")
        if not (command := self.text("entry_points", MAIN, "command")):
            self.refuse(("entry_points", MAIN), "the entry point main has no command", 'say command: "python train.py"')
        place = ("entry_points", MAIN, "parameters")
        parameters = {str(name): self._parameter(str(name), of) for name, of in self.section(*place).items()}
        command = _PIPED_OPTION.sub("", command)
        for name in self._placeholders(command):
            if name not in parameters:
                self.refuse(
                    ("entry_points", MAIN, "command"), f"{{{name}}} is no parameter", "declare it in parameters"
                )
        return command, parameters

    def _parameter(self, name: str, declared: Any) -> Parameter:
        place = ("entry_points", MAIN, "parameters", name)
        if not _NAME.fullmatch(name):
            self.refuse(place, f"{name!r} cannot be a parameter", "use letters, digits and _")
        of = {"type": declared} if isinstance(declared, str) else declared
        if not isinstance(of, dict):
            self.refuse(place, f"{name} has no type", f"say {name}: {{type: string, default: ...}}")
        default = of.get("default")
        if isinstance(default, (dict, list)):
            self.refuse(place, f"the default of {name} is not one value", "write it in quotes")
        return Parameter(name, None if default is None else str(default))

    def _placeholders(self, command: str) -> Iterator[str]:
        """The names in braces. MLflow has Python format the command, which could reach into objects by a longer one."""
        place = ("entry_points", MAIN, "command")
        try:
            parts = list(Formatter().parse(command))
        except ValueError as error:
            self.refuse(place, f"its braces do not match ({error})", "a brace that is none is written twice: {{")
        for _, name, form, conversion in parts:
            if name is None:
                continue
            if form or conversion or not _NAME.fullmatch(name):
                shown = f"{name}{'!' + conversion if conversion else ''}{':' + form if form else ''}"
                self.refuse(place, f"{{{shown}}} is no parameter", "a brace that is none is written twice: {{")
            yield name

    def image(self) -> str:
        section = self.section("docker_env")
        if not section:
            return ""
        for key, reason in REFUSED.items():
            if section.get(key):
                self.refuse(("docker_env", key), f"docker_env.{key} is refused: {reason}", f"remove {key}")
        image = self.text("docker_env", "image")
        if not _IMAGE.fullmatch(image):
            what = f"docker_env.image {image!r} is no name of an image" if image else "docker_env has no image"
            self.refuse(("docker_env", "image"), what, "say image: <name>:<tag>")
        return image

    def environment_files(self, there: list[str]) -> dict[str, str]:
        """The file of the environment that is named, or that MLflow takes where none is."""
        if "docker_env" in there:
            return {}
        for kind in there:
            name = self.text(kind)
            self._check_inside((kind,), name)
            return {kind: name}
        for kind, name in DEFAULT_FILES:
            if os.path.lexists(self.file.path.parent / name):
                self._check_inside((), name)
                return {kind: name}
        return {}

    def _check_inside(self, place: Place, name: str) -> None:
        folder = self.file.path.parent.resolve()
        path = folder / name
        if not path.resolve().is_relative_to(folder):
            self.refuse(place, f"{name} is not in the project", "name a file beside the MLproject")
        if not path.is_file():
            self.refuse(place, f"{name}: no such file", "commit it, or remove its line")
