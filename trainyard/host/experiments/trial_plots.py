"""Draws what came of a tuning's trials: how the best was found, which parameter matters, each parameter's values."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

from trainyard.host.experiments.plots import COLOURS, Content, Plot, bars, picture, short_name, styled
from trainyard.host.experiments.tuning.outcome import Outcome, TrialOutcome

MOST_SLICES = 6
DECADES = 100  # largest by smallest value from which an axis is logarithmic


def draw_trials(outcome: Outcome) -> list[Plot]:
    """Pictures of the trials that gave a value; none where fewer than two did."""
    done = [one for one in outcome.trials if one.value is not None and math.isfinite(one.value)]
    if len(done) < 2:
        return []
    with styled():
        plots = [picture("trials_history", "Trials", _history, (outcome, done))]
        names = sorted({name for one in done for name in one.params}, key=lambda n: (-outcome.importance.get(n, 0), n))
        if outcome.importance:
            content = {
                "kind": "share in how the metric varies",
                "columns": names,
                "values": [outcome.importance.get(name, 0) for name in names],
            }
            plots.append(picture("trials_importance", "Importance of parameters", bars, content))
        for number, name in enumerate(names[:MOST_SLICES]):
            slices: Content = {"name": name, "metric": outcome.metric, "trials": done}
            plots.append(picture(f"trials_slice_{number}", short_name(name), _slice, slices))
    return plots


def _history(axes: Any, content: tuple[Outcome, list[TrialOutcome]]) -> str:
    """Each trial's value, and the best until then."""
    outcome, done = content
    numbers = [one.number for one in done]
    values = [one.value for one in done if one.value is not None]
    axes.scatter(numbers, values, s=14, alpha=0.6, linewidths=0, label="a trial")
    best = list(itertools.accumulate(values, min if outcome.minimizes else max))
    axes.step(numbers, best, where="post", color=COLOURS[1], label="the best so far")
    axes.legend()
    axes.set_xlabel("trial")
    axes.set_ylabel(short_name(outcome.metric))
    axes.locator_params(axis="x", integer=True)
    first = outcome.best_first[0]
    others = len(outcome.trials) - len(done)
    without = f", {others} gave no value" if others else ""
    return f"{len(done)} trials{without}; the best is {first.value:.4g} in trial {first.number}"


def _slice(axes: Any, content: Content) -> str:
    """The metric by one parameter; what is no number gets a place for each of its values."""
    name, trials = content["name"], [one for one in content["trials"] if content["name"] in one.params]
    given = [one.params[name] for one in trials]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given):
        axes.scatter(given, [one.value for one in trials], s=14, alpha=0.6, linewidths=0)
        if min(given) > 0 and max(given) / min(given) > DECADES:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # matplotlib's own is a formula
    else:
        labels = sorted({_label(value) for value in given})
        axes.scatter([labels.index(_label(value)) for value in given], [one.value for one in trials], s=14, alpha=0.6)
        axes.set_xticks(range(len(labels)), [short_name(label, 12) for label in labels])
    axes.set_xlabel(short_name(name))
    axes.set_ylabel(short_name(content["metric"]))
    return f"{short_name(content['metric'])} by {short_name(name)}"


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
