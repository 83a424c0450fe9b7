"""YAML, TOML and JSON that a stranger wrote: what is not as it should be is as if it was not there."""

from __future__ import annotations

import json
import tomllib
from pathlib import PurePosixPath
from typing import Any

import yaml

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.source_tree import SourceTree
from trainyard.host.scaffold.importing.unit import place


def yaml_of(tree: SourceTree, path: PurePosixPath | str) -> dict[str, Any]:
    """A mapping.

    Raises:
        TrainyardError: it is none, or no YAML.
    """
    return _mapping(path, lambda: yaml.safe_load(tree.text(path)), "YAML")


def toml_of(tree: SourceTree, path: PurePosixPath | str) -> dict[str, Any]:
    return _mapping(path, lambda: tomllib.loads(tree.text(path)), "TOML")


def json_of(tree: SourceTree, path: PurePosixPath) -> Any:
    """Whatever it is; None where it is not JSON."""
    try:
        return json.loads(tree.text(path))
    except (ValueError, RecursionError):
        return None


def part(document: Any, *keys: str) -> Any:
    """A value in nested mappings; None where it is not there."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def texts(value: Any) -> list[str]:
    """The texts of a list, or a text alone."""
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _mapping(path: PurePosixPath | str, read: Any, form: str) -> dict[str, Any]:
    try:
        found = read()
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise TrainyardError(f"{place(PurePosixPath(path))}: not {form} ({reason})", "correct it") from None
    if not isinstance(found, dict):
        raise TrainyardError(f"{place(PurePosixPath(path))}: no keys in it", "correct it")
    return found
