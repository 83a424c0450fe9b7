"""What the rows of a route look like: by its model's schema, else by its sample. It decides what a bare list means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainyard.contract.columns import BOOLEAN, NUMBER
from trainyard.contract.schema import Schema
from trainyard.errors import BadRequest


@dataclass(frozen=True)
class RowForm:
    """``width``: values of a row, 0 where that is not known; ``texts``: for each whether it is text; ``schema``: where
    the model's record has one."""

    width: int = 0
    texts: tuple[bool, ...] = ()
    schema: Schema | None = None

    @classmethod
    def of(cls, schema: Schema | None, sample: Sequence[Any]) -> RowForm:
        """By the schema; without one by rows that the route has answered, where these are lists."""
        if schema is not None:
            texts = tuple(column.kind not in (NUMBER, BOOLEAN) for column in schema.columns)
            return cls(len(texts), texts, schema)
        if not sample or not isinstance(sample[0], list):
            return UNKNOWN
        columns = zip(*sample, strict=True)
        return cls(len(sample[0]), tuple(any(isinstance(value, str) for value in values) for values in columns))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns; empty where nobody has named them."""
        return self.schema.names if self.schema else ()

    def rows_of_scalars(self, values: list[Any], *, may_be_flat: bool) -> list[Any]:
        """The rows that a list without lists in it means: one row, or as many rows of one value.

        Args:
            values: numbers, text, null, true and false; at least one.
            may_be_flat: the protocol knows one row without its own brackets.

        Raises:
            BadRequest: it may mean either, or neither.
        """
        if self.width == 1 or len(values) == 1 or not (self.width or may_be_flat):
            return [[value] for value in values]
        if may_be_flat and self._is_row(values):
            return [values]
        has = f", and the route's rows have {self.width}" if self.width else ""
        raise BadRequest(
            f'"instances" is a list of {len(values)} values{has}: it may be one row, or rows of one value',
            "send [[a, b, ...]] for one row, [[a], [b], ...] for rows of one value",
        )

    def _is_row(self, values: Sequence[Any]) -> bool:
        if self.width not in (0, len(values)):
            return False
        if self.schema or len({isinstance(value, str) for value in values}) > 1:  # of several kinds: several columns
            return True
        return self.width > 0 and all(
            value is None or isinstance(value, str) == text for value, text in zip(values, self.texts, strict=True)
        )


UNKNOWN = RowForm()
