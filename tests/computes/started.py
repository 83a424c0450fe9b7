"""Real parts that several daemons make: started together, and ended even where one of them does not start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Self


class Started(ABC):
    """``_ends`` ends what has been started."""

    def __init__(self) -> None:
        self._ends = ExitStack()

    @abstractmethod
    def _start(self) -> None:
        """Start all; each part is noted in ``_ends`` before the next."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()
