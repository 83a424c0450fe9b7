"""The report as Markdown: the same news give the same bytes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainyard.host.ci.markdown import code, image, table, text
from trainyard.host.ci.model_news import MISSING, ModelNews

ABSENT = "-"
BETTER, WORSE, SAME = "better", "worse", "same"


def report_text(news: Sequence[ModelNews], base: str, missing: str, folder: Path) -> str:
    """The whole report; pictures by their paths as seen from ``folder``. ``missing``: why there is no ``base``."""
    lines = [f"## {_headline(news)}", ""]
    if base:
        lines += [f"Compared with commit <code>{base[:12]}</code>.", ""]
    if missing:
        lines += [f"Compared with nothing: {code(missing)}", ""]
    for one in news:
        lines += [*_section(one, folder), ""]
    return "\n".join(lines).rstrip() + "\n"


def _headline(news: Sequence[ModelNews]) -> str:
    if not news:
        return "No model is touched by this change"
    states = [_state(one) for one in news]
    counts = [(state, states.count(state)) for state in dict.fromkeys(sorted(states))]
    return f"{len(news)} model{'s' if len(news) > 1 else ''}: " + ", ".join(f"{n} {state}" for state, n in counts)


def _state(one: ModelNews) -> str:
    if one.error:
        return "failed"
    if one.decision is None:
        return "not trained"
    if one.old is None:
        return "new"
    return "promoted" if one.decision.promoted else "not promoted"


def _section(one: ModelNews, folder: Path) -> Iterator[str]:
    yield f"### {code(one.name)}: {_state(one)}"
    yield ""
    if one.error:
        yield f"**Failed:** {code(one.error)}"
        yield ""
    if one.decision:
        yield f"The contest, with the metrics of that commit as the champion's: {code(one.decision.reason)}"
        yield ""
    for note in one.notes:
        yield f"{text(note)}"
        yield ""
    if one.old or one.new:
        yield from table(("metric", "old", "new", "difference", ""), _metric_rows(one), (1, 2, 3))
        yield ""
    if one.params:
        rows = [(code(name), _value(old), _value(new)) for name, (old, new) in one.params.items()]
        yield from table(("parameter", "old", "new"), rows)
        yield ""
    for path in one.plots:
        yield image(f"{path.stem} of {one.name}", Path(os.path.relpath(path, folder)).as_posix())
    if one.plots:
        yield ""
    if one.run:
        yield f"Run {code(one.run)}"


def _metric_rows(one: ModelNews) -> Iterator[tuple[str, ...]]:
    old, new = one.old or {}, one.new or {}
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        change = after - before if before is not None and after is not None else math.nan
        difference = f"{change:+.6g}" if math.isfinite(change) else ABSENT
        yield code(name), _number(before), _number(after), difference, _judged(change, one.directions[name])


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.6g}"


def _judged(change: float, direction: str) -> str:
    if not math.isfinite(change):
        return ""
    if change == 0:
        return SAME
    return BETTER if (change > 0) == (direction == "maximize") else WORSE


def _value(value: Any) -> str:
    if value is MISSING:
        return ABSENT
    return code(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
