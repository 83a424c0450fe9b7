"""A run beside the same training done again: what is equal, and what is not."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from trainyard.contract.model_files import files_of
from trainyard.contract.renamed_models import renamed_record
from trainyard.host.experiments.run_files import Run

EQUAL, DIFFERENT, UNKNOWN = "equal", "different", "unknown"
BINARY, MODELS = "binary sha256", "models/"
_SHORT = 12  # digits of a hash that tell it from others
# Of what a run is made, by the tag that says it; more than a hash is shown whole.
TAGS = {
    "data": "dataset", "data version": "dataset_version", "data sha256": "dataset_sha256",
    "test data version": "test_dataset_version", "test data sha256": "test_dataset_sha256",
    "commit": "commit", "lock": "lock", "engine": "engine",
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """One value of both; ``difference`` is that of two numbers."""

    name: str
    run: str
    now: str
    result: str
    difference: str = ""


@dataclass(frozen=True)
class Reproduction:
    """A training that was done again. ``metrics`` decide; where there are none, the binary does."""

    run: Run
    metrics: tuple[Compared, ...]
    others: tuple[Compared, ...]

    @property
    def unequal(self) -> list[str]:
        """What decides, and is not equal."""
        deciding = self.metrics or tuple(one for one in self.others if one.name.startswith((BINARY, MODELS)))
        return [one.name for one in deciding if one.result != EQUAL]

    @property
    def changed(self) -> list[str]:
        """What else the two trainings do not have in common, that may be why."""
        return [one.name for one in self.others if one.result == DIFFERENT and one.name in ("image identity", "python")]

    def as_json(self) -> str:
        rows = [asdict(one) for one in (*self.metrics, *self.others)]
        return json.dumps({"run": self.run.id, "reproduced": not self.unequal, "compared": rows}, indent=2)


@dataclass(frozen=True)
class Side:
    """One of the two: the run, the record of its binary, the identity of its image."""

    run: Run
    record: Mapping[str, Any]
    identity: str


def compared(before: Side, again: Side) -> Reproduction:
    """Metrics are equal where they are the same number, to the last digit; NaN is equal to NaN."""
    names = sorted({*before.run.metrics, *again.run.metrics})
    metrics = tuple(_metric(name, before.run.metrics.get(name), again.run.metrics.get(name)) for name in names)
    # Its model may have been renamed since, and files are called by its name.
    record = renamed_record(dict(again.record), again.run.model_name, before.run.model_name)
    return Reproduction(before.run, metrics, tuple(_others(before, replace(again, record=record))))


def _others(before: Side, again: Side) -> Iterator[Compared]:
    yield _text(BINARY, str(before.record.get("sha256", "")), str(again.record.get("sha256", "")))
    yield from _files(before, again)
    for name, tag in TAGS.items():
        one, other = before.run.tags.get(tag, ""), again.run.tags.get(tag, "")
        if one or other:
            yield _text(name, one, other)
    yield _text("image identity", before.identity, again.identity)
    yield _text("python", str(before.record.get("python", "")), str(again.record.get("python", "")))


def _files(before: Side, again: Side) -> Iterator[Compared]:
    """Of a model of several files, those that differ."""
    one, other = (files_of(dict(side.record), before.run.model_name) for side in (before, again))
    for path in sorted({*one, *other}):
        if one.get(path) != other.get(path) and len({*one, *other}) > 1:
            yield Compared(f"{MODELS}{path}", one.get(path, "-"), other.get(path, "-"), DIFFERENT)


def _metric(name: str, before: float | None, now: float | None) -> Compared:
    if before is None or now is None:
        one, other = ("-" if value is None else repr(value) for value in (before, now))
        return Compared(f"metric {name}", one, other, DIFFERENT)
    same = before == now or (math.isnan(before) and math.isnan(now))
    difference = "" if same else f"{now - before:+.3g}"
    return Compared(f"metric {name}", repr(before), repr(now), EQUAL if same else DIFFERENT, difference)


def _text(name: str, before: str, now: str) -> Compared:
    result = EQUAL if before == now else DIFFERENT if before and now else UNKNOWN
    return Compared(name, before or "-", now or "-", result)


def shortened(value: str) -> str:
    """A value for a table: the beginning of a hash."""
    return value[:_SHORT] if len(value) >= 40 and value.isalnum() else value
