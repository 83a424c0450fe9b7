"""What historical model code imports from ``cortex`` (the package cortex-python): the message, and a name to import.

Train and predict functions are given a message and return a dict; nothing in them talks to the platform. So ``Cortex``
can be imported and not used, and asking for anything else names the package that has it.
"""

from __future__ import annotations

from typing import Any, NoReturn

from trainyard.contract import message


class Message(message.Message):
    """``Message({"payload": {...}})``, as historical code builds and returns it."""

    @classmethod
    def with_payload(cls, payload: Any, **params: Any) -> Message:
        """A message that carries ``payload``, and ``params`` beside it (``token``, ``properties``, ...)."""
        return cls({**params, "payload": payload})


class _Unused(type):
    """The class of a name that is imported and never used."""

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse(f"{cls.__name__}.{name}")

    def __call__(cls, *_: Any, **__: Any) -> NoReturn:
        _refuse(cls.__name__)


class Cortex(metaclass=_Unused):
    """The client of the platform. Any use of it is a ``ModuleNotFoundError``."""


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):  # what Python itself looks for
        raise AttributeError(name)
    _refuse(name)


def _refuse(name: str) -> NoReturn:
    raise ModuleNotFoundError(
        f"cortex.{name}: this image's stand-in for cortex has Message alone; the package cortex-python has the rest",
        name="cortex",
    )
