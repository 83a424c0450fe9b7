"""What stands for the objects of a pickle that nobody opens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Global:
    """A class or function that unpickling would import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Made:
    """What calling ``by`` would give; ``state`` is what it would be given then, ``items`` what it would get."""

    by: Any
    arguments: Any = None
    state: Any = None
    items: list[Any] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The dotted name of its class; empty where that is not plain."""
        return str(self.by) if isinstance(self.by, Global) else ""

    def get(self, name: str) -> Any:
        """An attribute of its state; None where it has none of that name."""
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        return next(
            (found for part in parts if isinstance(part, Pairs) and (found := part.get(name)) is not None), None
        )


class Pairs(list[tuple[Any, Any]]):
    """A dict whose keys nobody hashes."""

    def get(self, name: str) -> Any:
        return next((value for key, value in reversed(self) if isinstance(key, str) and key == name), None)


class Skipped:
    """Bytes, or a text, that is too long to matter."""
