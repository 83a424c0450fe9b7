"""Universal Binary JSON, as XGBoost writes it (https://ubjson.org): small values as Python's, long arrays skipped."""

from __future__ import annotations

import struct
from typing import Any

NUMBERS = {"i": "b", "U": "B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
CONSTANTS = {"Z": None, "T": True, "F": False, "N": None}
DEEPEST = 50


class NotUbjson(Exception):
    """The bytes are none."""


def loads(content: bytes) -> Any:
    """The value that begins at the first byte. An array of numbers of one type is None in it: it holds trees.

    Raises:
        NotUbjson: it is damaged, or ends too early.
    """
    try:
        return _Reader(content).value(0)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise NotUbjson(str(error)) from None


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def _take(self, size: int) -> bytes:
        if size < 0 or self._at + size > len(self._content):
            raise ValueError("it ends too early")
        self._at += size
        return self._content[self._at - size : self._at]

    def _marker(self) -> str:
        return self._take(1).decode("ascii")

    def _peek(self) -> str:
        return chr(self._content[self._at])

    def value(self, depth: int, marker: str = "") -> Any:
        marker = marker or self._marker()
        if marker in CONSTANTS:
            return CONSTANTS[marker]
        if marker in NUMBERS:
            return struct.unpack(NUMBERS[marker], self._take(struct.calcsize(NUMBERS[marker])))[0]
        if marker == "C":
            return self._marker()
        if marker in "SH":
            return self._text()
        if marker in "[{" and depth < DEEPEST:
            return self._array(depth) if marker == "[" else self._object(depth)
        raise ValueError(f"no value begins with {marker!r}")

    def _text(self) -> str:
        return self._take(self._length()).decode()

    def _length(self) -> int:
        found = self.value(DEEPEST, self._marker())
        if not isinstance(found, int) or found < 0:
            raise ValueError("a length that is none")
        return found

    def _header(self) -> tuple[str, int | None]:
        """The type and the number of a container's values, where it says them."""
        kind = ""
        if self._peek() == "$":
            self._take(1)
            kind = self._marker()
        if self._peek() != "#":
            return kind, None
        self._take(1)
        return kind, self._length()

    def _array(self, depth: int) -> list[Any] | None:
        kind, count = self._header()
        if count is not None and kind in NUMBERS:
            self._take(count * struct.calcsize(NUMBERS[kind]))
            return None
        if count is not None:
            if count > len(self._content):
                raise ValueError("a length that is none")
            return [self.value(depth + 1, kind) for _ in range(count)]
        found = []
        while self._peek() != "]":
            found.append(self.value(depth + 1))
        self._take(1)
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._header()
        found: dict[str, Any] = {}
        while (count is None and self._peek() != "}") or (count is not None and len(found) < count):
            key = self._text()
            found[key] = self.value(depth + 1, kind)
        if count is None:
            self._take(1)
        return found
