"""What a Cog project imports from ``cog``, where the package is not installed: types and defaults, no server."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, NoReturn, TypeVar

Item = TypeVar("Item")


class BasePredictor:
    """``setup`` is called once, ``predict`` for each row."""

    def setup(self) -> None:
        """Loads what predictions need."""


class BaseModel:
    """An answer with named parts; their types are not checked."""

    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return dict(vars(self))


class Required:
    """The default of an input that has none."""

    is_required = True


def Input(default: Any = Required, **_: Any) -> Any:  # noqa: N802 -- cog's name
    """The default of an input; what else is said of it (description, ge, le, choices) is not checked."""
    return Required() if default is Required or default is ... else default


class Path(type(pathlib.Path())):  # type: ignore[misc]
    """A file that came with a request, or goes with an answer."""


File = Path
Secret = str


class ConcatenateIterator(Iterator[Item]):
    """Of texts that belong together."""


class AsyncConcatenateIterator(AsyncIterator[Item]):
    """The same."""


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):  # what Python itself looks for
        raise AttributeError(name)
    raise ModuleNotFoundError(f"cog.{name}: this image's stand-in for cog does not have it; add cog", name="cog")
