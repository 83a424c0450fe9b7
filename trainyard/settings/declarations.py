"""How a setting is declared: name, type, default, environment variable, help.

The command line, the table in ``docs/contract.md`` and validation derive from it. The environment is read when a
function is called, not when a module is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, field, fields
from typing import Any, Self, TypeVar

from trainyard.errors import TrainyardError

T = TypeVar("T")


def setting(
    env: str, default: T, help: str, *also: str, formerly: str = "", secret: bool = False  # noqa: A002 -- as click's
) -> T:  # fmt: skip
    """Declare one setting: its variable, its default, one line of help, and variables of other programs that say it.

    ``formerly`` is its name in older releases. A secret one is left out where the settings are printed.
    """
    metadata = {"env": env, "help": help, "also": also, "formerly": formerly}
    value: T = field(default=default, metadata=metadata, repr=not secret)
    return value


class FromEnvironment:
    """Reads a frozen dataclass of ``setting`` fields from environment variables."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The settings as ``environ`` (default: this process's) gives them; an empty variable counts as absent.

        Raises:
            TrainyardError: a value that is not of the setting's type; the message names the variable.
        """
        found = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for declared in fields(cls):  # type: ignore[arg-type]
            for variable in variables_of(declared):
                if text := found.get(variable, ""):
                    values[declared.name] = _PARSERS[type(declared.default)](variable, text)
                    break
        return cls(**values)


def variables_of(declared: Field[Any]) -> tuple[str, ...]:
    """The variables that are looked at for a setting, the first that is set wins."""
    return (*_own_names(declared), *declared.metadata["also"])


def given_to_make(declared: Field[Any]) -> tuple[str, ...]:
    """The names that make knows a setting by; none where make or a builder sets it, and no user does."""
    return tuple(name for name in _own_names(declared) if not name.startswith("TRAINYARD_"))


def _own_names(declared: Field[Any]) -> tuple[str, ...]:
    return tuple(name for name in (declared.metadata["env"], declared.metadata["formerly"]) if name)


def _flag(variable: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise TrainyardError(f"{variable}={text}: not a switch", f"say {variable}=1 or {variable}=0")


def _whole(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise TrainyardError(f"{variable}={text}: not a whole number", f"say, for example, {variable}=1")
    return int(text)


_PARSERS: dict[type, Callable[[str, str], Any]] = {bool: _flag, int: _whole, str: lambda _, text: text}


def table(*classes: type[FromEnvironment]) -> list[tuple[str, str, str]]:
    """``(variables, default, help)`` of every setting, for the docs and for help texts."""
    return [
        (", ".join(variables_of(declared)), str(declared.default), declared.metadata["help"])
        for cls in classes
        for declared in fields(cls)  # type: ignore[arg-type]
    ]
