"""CatBoost's own format: CBM1, and a flatbuffer whose tables are those of catboost/libs/model/flatbuffers/*.fbs."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator

from trainyard.host.scaffold.fitted.described import Described, NotAModel

MAGIC = b"CBM1"
MOST = 100_000  # features, or facts, of a file that is not damaged
# Fields of a table, by their place in its declaration.
TREES, INFOS = 1, 2  # of TModelCore
CATEGORIES, FLOATS, TEXTS = 4, 5, 12  # of TModelTrees
PLACE_AND_NAME = {CATEGORIES: (1, 2), FLOATS: (2, 4)}  # of TCatFeature and TFloatFeature
_VERSION = re.compile(r"(?<![\d.])(\d+\.\d+(?:\.\d+)*)(?![\w.])")


def describe(content: bytes) -> Described:
    """Raises:
    NotAModel: it is damaged, or takes what no table has."""
    try:
        return _describe(_Tables(content[8:]))
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise NotAModel(f"a CatBoost model that is damaged ({error})", "copy it again") from None


def _describe(tables: _Tables) -> Described:
    core = tables.root()
    infos = dict(tables.pairs(core, INFOS))
    trees = tables.table(core, TREES)
    if trees is None:
        raise ValueError("it has no trees")
    if [*tables.tables(trees, TEXTS)]:
        raise NotAModel("a CatBoost model of free texts, which a table does not say", "make train one from its sources")
    found: dict[int, str] = {}
    texts: set[int] = set()
    for field, (flat, name) in PLACE_AND_NAME.items():
        for feature in tables.tables(trees, field):
            place = tables.integer(feature, flat, -1)
            if not 0 <= place < MOST:
                raise ValueError("a feature without a place")
            found[place] = tables.text(feature, name)
            texts |= {place} if field == CATEGORIES else set()
    places = sorted(found)  # it does not keep all columns that no tree looks at
    names = [found[place] for place in places]
    plain = all(names) and names != [str(place) for place in places]  # else fitted on an array
    width = len(places) if plain else max(places, default=-1) + 1
    taken = places if plain else [*range(width)]
    facts = {"width": max(places, default=-1) + 1, "places": taken, "categories": sorted(texts)}
    version = _VERSION.search(infos.get("catboost_version_info", ""))
    required = f"catboost>={version[1]},<2" if version else "catboost>=1.2.8,<2"
    return Described(
        "catboost", f"CatBoost {version[1]}" if version else "CatBoost", ".cbm", (required,),
        tuple(names) if plain else (), width,
        frozenset(number for number, place in enumerate(taken) if place in texts), missing=True,
        facts={**facts, "loss": _loss(infos.get("params", ""))},
    ).check()  # fmt: skip


def _loss(params: str) -> str:
    try:
        found = json.loads(params)
        return str(found["loss_function"]["type"])[:100]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


class _Tables:
    """A flatbuffer: https://flatbuffers.dev/internals/. What leads out of it raises struct.error."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def _number(self, form: str, place: int) -> int:
        if place < 0:
            raise ValueError("an offset that leads out of it")
        return int(struct.unpack_from(form, self._content, place)[0])

    def root(self) -> int:
        return self._number("<I", 0)

    def _field(self, table: int, number: int) -> int:
        """Where a field of a table is; 0 where it has none."""
        shape = table - self._number("<i", table)
        entry = 4 + 2 * number
        offset = self._number("<H", shape + entry) if entry < self._number("<H", shape) else 0
        return table + offset if offset else 0

    def table(self, table: int, number: int) -> int | None:
        place = self._field(table, number)
        return place + self._number("<I", place) if place else None

    def tables(self, table: int, number: int) -> Iterator[int]:
        vector = self.table(table, number)
        if vector is None:
            return
        count = self._number("<I", vector)
        if count > MOST:
            raise ValueError("too many features")
        for item in range(count):
            place = vector + 4 + 4 * item
            yield place + self._number("<I", place)

    def integer(self, table: int, number: int, default: int) -> int:
        place = self._field(table, number)
        return self._number("<i", place) if place else default

    def text(self, table: int, number: int) -> str:
        place = self.table(table, number)
        if place is None:
            return ""
        size = self._number("<I", place)
        if place + 4 + size > len(self._content):
            raise ValueError("it ends too early")
        return self._content[place + 4 : place + 4 + size].decode()

    def pairs(self, table: int, number: int) -> Iterator[tuple[str, str]]:
        for pair in self.tables(table, number):
            yield self.text(pair, 0), self.text(pair, 1)
