"""What is known of a fitted model before it is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainyard.errors import TrainyardError

LONGEST_NAME = 1000  # characters of a column's name


class NotAModel(Exception):
    """Why a file is none that can be served; ``fix`` may be empty."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


@dataclass(frozen=True)
class Described:
    """A fitted model.

    Attributes:
        kind: which code serves it: a key of ``trainyard.models.adopted``.
        library: what fitted it, and in which version, for people.
        suffix: of its file in ``models/``.
        requirements: lines of a requirements file.
        columns: the names of its columns, in their order; empty where the file does not say them.
        width: how many columns it takes; 0 where the file does not say it.
        texts: which columns are texts, by their place; None: the table decides.
        missing: whether a number may be missing in any column.
        packages: what setup.sh has to install in an image.
        facts: what the code that serves it has to know.
    """

    kind: str
    library: str
    suffix: str
    requirements: tuple[str, ...]
    columns: tuple[str, ...] = ()
    width: int = 0
    texts: frozenset[int] | None = frozenset()
    missing: bool = False
    packages: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> Described:
        """Raises:
        NotAModel: its columns cannot be those of a table."""
        for name in self.columns:
            if not isinstance(name, str) or not name or len(name) > LONGEST_NAME or not name.isprintable():
                raise NotAModel(
                    f"one of its columns is called {str(name)[:40]!r}", "fit it on columns with plain names"
                )
        if len({*self.columns}) < len(self.columns):
            raise NotAModel("two of its columns have one name", "fit it on columns with names of their own")
        return self


def as_error(path: object, error: NotAModel) -> TrainyardError:
    return TrainyardError(f"{path}: {error.reason}", error.fix)
