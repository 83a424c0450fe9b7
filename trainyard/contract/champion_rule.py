"""When a new model takes the place of the champion. Both were scored on the same rows by the same code.

In the images, too: a train script may compare and register by itself (``trainyard.models.registering``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CHAMPION = "champion"  # the alias of the version that is
# Tags of a version: what came of its contest (beside "reason"), and which version was the champion before it.
PROMOTED, PREVIOUS = "promoted", "trainyard.previous_champion"
REGISTERED_AS = "TRAINYARD_REGISTERED_AS"  # the variable by which a training knows its model's name in the registry

Direction = Literal["maximize", "minimize"]
# Words in the name of a metric that is better when it is lower, where nobody says which way it is.
LOWER_IS_BETTER = ("loss", "error", "rmse", "mse", "mae", "mape", "deviance", "brier", "seconds")


@dataclass(frozen=True)
class Guarded:
    """A metric that must not get worse by more than ``tolerance``, in its own unit."""

    tolerance: float = 0.0
    direction: Direction | None = None


@dataclass(frozen=True)
class Rule:
    """Better means: by more than ``min_delta`` in ``metric``, and no guarded metric worse."""

    metric: str
    direction: Direction | None = None
    min_delta: float = 0.0
    guards: Mapping[str, Guarded] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """Whether the candidate becomes the champion, and why; one line for people."""

    promoted: bool
    reason: str


def direction_of(metric: str) -> Direction:
    """Which way a metric of that name is better."""
    words = metric.lower().replace("-", "_").split("_")
    return "minimize" if any(word in LOWER_IS_BETTER for word in words) else "maximize"


def decide(rule: Rule, candidate: Mapping[str, float], champion: Mapping[str, float] | None) -> Decision:
    """Compare two models by their metrics; ``champion`` is None where there is none yet.

    The first model becomes the champion unless its metric is not a number; a tie leaves the champion where it is.
    """
    name = rule.metric
    new = candidate.get(name, math.nan)
    if name and not math.isfinite(new):
        return Decision(False, f"its {name} is {_shown(candidate, name)}")
    if champion is None:
        return Decision(True, "it is the first version")
    if not name:
        return Decision(False, "config.yaml names no metric to compare by (promotion: {metric: ...})")
    old = champion.get(name, math.nan)
    for guard, guarded in rule.guards.items():
        if reason := _worse(guard, guarded, candidate, champion):
            return Decision(False, reason)
    if not math.isfinite(old):
        return Decision(True, f"{name} {new:.6g}, and the champion's is {_shown(champion, name)}")
    gain = _gain(rule.direction or direction_of(name), new, old)
    compared = f"{name} {new:.6g} against the champion's {old:.6g}"
    if gain > rule.min_delta:
        return Decision(True, f"{compared}: better by {gain:.6g}{_more_than(rule.min_delta)}")
    if gain == 0:
        return Decision(False, f"{compared}: a tie leaves the champion")
    if gain > 0:
        return Decision(False, f"{compared}: better by {gain:.6g}, not by more than min_delta {rule.min_delta:g}")
    return Decision(False, f"{compared}: worse by {-gain:.6g}")


def _worse(name: str, guarded: Guarded, candidate: Mapping[str, float], champion: Mapping[str, float]) -> str:
    """Why a guard keeps the candidate out, if it does; what the champion has no number of is not guarded."""
    new, old = candidate.get(name, math.nan), champion.get(name, math.nan)
    if not math.isfinite(new):
        return f"the guarded {name} is {_shown(candidate, name)}"
    if not math.isfinite(old):
        return ""
    loss = -_gain(guarded.direction or direction_of(name), new, old)
    if loss <= guarded.tolerance:
        return ""
    limit = _more_than(guarded.tolerance)
    return f"the guarded {name} {new:.6g} is worse than the champion's {old:.6g} by {loss:.6g}{limit}"


def _gain(direction: Direction, new: float, old: float) -> float:
    return new - old if direction == "maximize" else old - new


def _more_than(limit: float) -> str:
    return f", more than {limit:g}" if limit else ""


def _shown(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]}" if name in metrics else "not among its metrics"
