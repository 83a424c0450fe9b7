"""YAML files that people write, and the classes that say what may stand in them: a complaint names the line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError

NO_SECTION = ("model_type", "model_attributes_type", "dict_type")  # errors of a value where a mapping belongs
BELOW = "write names and values below it, each on a line of its own"
_SECRET = {"credentials", "url", "endpoint"}  # keys whose value may hold a password, whatever it looks like
Place = tuple[str | int, ...]  # of a value: ("tuning", "hyperparams", "depth", "min")
_FLOAT = re.compile(r"[-+]?(?:\d[\d_]*\.?[\d_]*(?:[eE][-+]?\d+)|\d[\d_]*\.[\d_]*|\.\d[\d_]*(?:[eE][-+]?\d+)?)")


class _Loader(yaml.SafeLoader):
    """1e-5 is a number, as in JSON and YAML 1.2; in YAML 1.1, which the library reads, it is text."""


class _Dumper(yaml.SafeDumper):
    """Its counterpart: the text 1e-5 gets quotes."""


class _QuickLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As the other one, but in C where there is libyaml: six times as fast. Its complaints are harder to understand."""


for _part in (_Loader, _QuickLoader, _Dumper):
    _part.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^{_FLOAT.pattern}$"), list("-+.0123456789"))


class Section(BaseModel):
    """Part of a file: a key that it does not declare is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        for key in given:
            if key not in cls.model_fields:
                near = difflib.get_close_matches(str(key), cls.model_fields, 1)
                fix = f"did you mean {near[0]}?" if near else f"known are {', '.join(cls.model_fields)}"
                raise PydanticCustomError("unknown_key", "unknown key", {"key": str(key), "fix": fix})
        return given


SectionType = TypeVar("SectionType", bound=BaseModel)


@dataclass(frozen=True)
class YamlFile:
    """The content of a YAML (or JSON) file and the line of each of its keys."""

    path: Path
    content: Any
    lines: Mapping[Place, int]

    def where(self, place: Place) -> str:
        """``file:line`` of a value, or of the nearest one around it that is there."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.path}:{self.lines.get(place, 1)}"

    def check(self, section: type[SectionType]) -> SectionType:
        """The content as an instance of ``section``.

        Raises:
            TrainyardError: naming file, line, key and fix of the first mistake.
        """
        try:
            return section.model_validate({} if self.content is None else self.content)
        except ValidationError as error:
            first = error.errors()[0]
            context = first.get("ctx") or {}
            key = (context["key"],) if first["type"] == "unknown_key" else ()
            place: Place = (*first["loc"], *key)
            fix = BELOW if first["type"] in NO_SECTION else context.get("fix", "")
            raise TrainyardError(f"{self.where(place)}: {_describe(place, first)}", fix) from None


def read_yaml(path: Path) -> YamlFile:
    """Read a file.

    Raises:
        TrainyardError: not UTF-8, not YAML, or a key that is there twice.
    """
    return parse_text(path, read_text(path))


def parse_text(path: Path, text: str) -> YamlFile:
    """The same of the text that a file has, or shall have."""
    if path.suffix == ".json":
        return _read_json(path, text)
    try:
        try:
            return _parse(path, _QuickLoader(text))
        except yaml.YAMLError:
            return _parse(path, _Loader(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TrainyardError(f"{path}:{line}: not YAML ({error.problem})", "correct that line") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise TrainyardError(f"{path}: not YAML ({reason})", "correct the file") from None


def _parse(path: Path, loader: Any) -> YamlFile:
    """The lines come first: to construct the content changes the nodes."""
    node = loader.get_single_node()
    if node is None:
        return YamlFile(path, None, {})
    lines = dict(_lines(node, (), path))
    return YamlFile(path, loader.construct_document(node), lines)


def dump_yaml(content: Mapping[str, Any]) -> str:
    """The text that ``read_yaml`` reads as ``content``, in its order; in ASCII, since PyYAML breaks lines at U+0085."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False)


def _read_json(path: Path, text: str) -> YamlFile:
    """Nearly all JSON is YAML, but not its tabs, nor letters that are escaped in two halves."""
    try:
        content = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise TrainyardError(f"{path}:{error.lineno}: not JSON ({error.msg})", "correct that line") from None
    except (ValueError, RecursionError) as error:
        raise TrainyardError(f"{path}: not JSON ({error})", "correct the file") from None
    try:
        node = yaml.compose(text.replace("\t", " "), Loader=_Loader)
    except yaml.YAMLError:  # a key of a thousand letters: without lines, then
        node = None
    return YamlFile(path, content, dict(_lines(node, (), path)) if node else {})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"there is no {constant} in JSON")


def _lines(node: yaml.Node, place: Place, path: Path) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if name in seen:
                raise TrainyardError(f"{path}:{line}: {name} is there twice, first in line {seen[name]}", "remove one")
            seen[name] = line
            yield (*place, name), line
            yield from _lines(value, (*place, name), path)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*place, number), value.start_mark.line + 1
            yield from _lines(value, (*place, number), path)


def _describe(place: Place, error: Any) -> str:
    if error["type"] in NO_SECTION:
        if place and place[-1] == (error.get("ctx") or {}).get("class_name"):  # one of the forms that it may have
            place = place[:-1]
        return f"{'.'.join(map(str, place)) or 'the file'}: not names and values"
    name = ".".join(map(str, place))
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    value = error.get("input")
    shown = isinstance(value, (str, int, float, bool)) and error["type"] != "unknown_key"
    shown = shown and not _SECRET & set(place) and not re.search(r"://[^/]*@", str(value))  # a URL with a password
    given = f" (it is {value!r})" if shown else ""
    return f"{name}: {message}{given}" if name else f"{message}{given}"
