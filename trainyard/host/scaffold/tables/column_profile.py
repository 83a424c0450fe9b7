"""What the values of one column are, seen one after the other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from trainyard.contract.columns import BOOLEAN, CATEGORY, DATE, NUMBER, TEXT, days_of, parse_boolean, parse_number
from trainyard.contract.datasets.arrow_files import Field

# Texts by which tables say that a value is missing. They do so where the other values of a column are no texts.
MARKS = frozenset({"na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "#n/a", "#na", "missing", "unknown"})
MOST_CATEGORIES = 200  # each is a feature of every row; a column of more is read as text
MOST_KEPT = 10_000  # distinct values of a column that are counted
WORDS_OF_TEXT = 3  # on average, from which a text is no category
IDENTIFIES = 20  # rows from which a column of all different values is taken for an identifier
YEARS = 1700, 2200  # one row for each is a table by years
_COMMA = re.compile(r"[+-]?\d+(,\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})*", re.ASCII)
_FRACTION = re.compile(r"[+-]?\d+\.\d+", re.ASCII)
_CODE = re.compile(r"0\d+", re.ASCII)  # 01067 is no amount
_ID_NAME = re.compile(r"(^|[^a-z])(?i:id|uuid|guid|index|nr|no|key)$|[a-z](Id|ID)$|^Unnamed: 0$")
_POINTS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+", re.ASCII)
# What a person reads as numbers or dates and we do not: all values are such, and one has such a character.
_NEARLY = (
    (re.compile(r"[+-]?\d{1,3}(\.\d{3})*(,\d+)?|[+-]?\d{1,3}(,\d{3})*(\.\d+)?", re.ASCII), ".,",
     "numbers? Write them without what marks thousands"),
    (re.compile(r"(\d{4}([./-])\d{1,2}\2\d{1,2}|\d{1,2}([./-])\d{1,2}\3\d{4}|\d{1,2}/\d{1,2}/\d\d)"
                r"([ T]\d[\d:.]*( ?[AP]M)?)?", re.ASCII), "./-",
     "dates? Write them as 2026-01-31"),
    (re.compile(r"[$€£]? ?[+-]?\d+([.,]\d+)? ?[%$€£]?", re.ASCII), "%$€£", "numbers? Write them without the unit"),
)  # fmt: skip
WITH_COMMA = "number with a comma"  # before its fraction


def _comma(text: str) -> None:
    if not _COMMA.fullmatch(text):
        raise ValueError


_PARSERS: dict[str, Callable[[str], object]] = {
    NUMBER: parse_number, WITH_COMMA: _comma, DATE: days_of, BOOLEAN: parse_boolean,
}  # fmt: skip


@dataclass
class ColumnProfile:
    """One column; ``possible`` are the kinds that every value so far can be read as, beside text."""

    name: str
    rows: int = 0
    missing: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    possible: set[str] = field(default_factory=lambda: {*_PARSERS})
    words: int = 0  # of the values that were kept
    hashes: set[int] = field(default_factory=set)  # of all values, as long as they differ
    repeats: bool = False
    ambiguous: bool = True  # what stands behind a comma is three digits each time: it may mean thousands
    smallest: float = float("inf")
    largest: float = float("-inf")

    def see(self, value: Field) -> None:
        """The next row's value: a text, or a typed one of Parquet."""
        self.rows += 1
        text = "" if value is None or value != value else str(value).strip()
        if not text:
            self.missing += 1
        elif isinstance(value, str) and text.casefold() in MARKS:
            self.marks[text] += 1
        else:
            self._count(value if isinstance(value, str) else None, text)

    def _count(self, written: str | None, text: str) -> None:
        if text in self.values:
            self.values[text] += 1
            self.repeats = True
            return  # nothing new
        if len(self.values) < MOST_KEPT:
            self.values[text] = 1
            self.words += len(text.split())
        if not self.repeats:
            self.repeats = hash(text) in self.hashes
            self.hashes.add(hash(text))
        if _CODE.fullmatch(text):
            self.possible -= {NUMBER, WITH_COMMA}
        for kind in tuple(self.possible):
            try:
                _PARSERS[kind](text)
            except ValueError:
                self.possible.discard(kind)
        if written is not None and "," in text and not _THOUSANDS.fullmatch(text):
            self.ambiguous = False
        if NUMBER in self.possible:
            number = float(text)
            self.smallest, self.largest = min(self.smallest, number), max(self.largest, number)

    @property
    def kind(self) -> str:
        """Of ``trainyard.contract.columns``. 0 and 1 are numbers; whatever is no number, date or truth value is a
        category, or text where there are too many of them."""
        if not self.values:
            return CATEGORY
        for kind in (NUMBER, DATE, BOOLEAN):
            if kind in self.possible:
                return kind
        if self.has_commas:
            return NUMBER
        wordy = self.words / len(self.values) >= WORDS_OF_TEXT and len(self.values) > MOST_CATEGORIES // 10
        return TEXT if wordy or len(self.values) > MOST_CATEGORIES else CATEGORY

    @property
    def has_commas(self) -> bool:
        """Whether its numbers have a comma before their fraction."""
        return NUMBER not in self.possible and WITH_COMMA in self.possible and not self.ambiguous

    @property
    def has_thousands(self) -> bool:
        """Whether its commas may mean thousands, so that nobody knows what the numbers are."""
        return NUMBER not in self.possible and WITH_COMMA in self.possible and self.ambiguous

    @property
    def has_points(self) -> bool:
        """Whether its numbers are such as 1.234 all: where others of the table have a comma, that may mean 1234."""
        return NUMBER in self.possible and bool(self.values) and all(map(_POINTS.fullmatch, self.values))

    @property
    def nearly(self) -> str:
        """What the values of a category or a text seem to be, and how to write them; empty: nothing else."""
        if self.kind not in (CATEGORY, TEXT) or self.has_thousands:
            return ""
        for pattern, marks, what in _NEARLY:
            if any(set(marks) & set(text) for text in self.values) and all(map(pattern.fullmatch, self.values)):
                return what
        return ""

    @property
    def is_named_like_a_value(self) -> bool:
        """Whether its name may be the first of its values."""
        return self.name in self.values or (NUMBER in self.possible and bool(_FRACTION.fullmatch(self.name)))

    @property
    def is_whole(self) -> bool:
        """Whether every value is a whole number."""
        return NUMBER in self.possible and all(re.fullmatch(r"[+-]?\d+(\.0+)?", text) for text in self.values)

    @property
    def is_constant(self) -> bool:
        """Whether it says nothing: one value, or none."""
        return len(self.values) + len(self.marks) <= (0 if self.missing else 1) or not (self.values or self.marks)

    @property
    def identifies(self) -> bool:
        """Whether its values tell rows apart, and do nothing else."""
        different = not self.repeats and len(self.hashes) == self.rows >= IDENTIFIES
        if not different or self.kind in (DATE, BOOLEAN) or (self.kind == NUMBER and not self.is_whole):
            return False
        if self.kind == NUMBER:
            years = YEARS[0] <= self.smallest <= self.largest <= YEARS[1]
            return bool(_ID_NAME.search(self.name)) or (self.largest - self.smallest + 1 == self.rows and not years)
        return self.words == len(self.values)

    def present(self, marks: Collection[str]) -> Counter[str]:
        """How often each value is there, where ``marks`` (casefolded) are none."""
        return self.values + Counter({text: n for text, n in self.marks.items() if text.casefold() not in marks})

    def missing_by(self, marks: Collection[str]) -> int:
        """How many values are missing where ``marks`` (casefolded) say so, too."""
        return self.missing + sum(count for text, count in self.marks.items() if text.casefold() in marks)
