"""What a tuning looks for, as config.yaml, PAYLOAD and the command line say it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainyard.contract.champion_rule import Direction, direction_of
from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import Config
from trainyard.host.experiments.parameters import with_params
from trainyard.host.experiments.tuning.search_space import SearchSpace
from trainyard.host.experiments.yaml_files import YamlFile
from trainyard.host.support.product import page

EXAMPLE = "give a parameter default_value and tuning: {param_type: float, min: 0.01, max: 1}: "
EXAMPLE += page("experiments.md")


@dataclass(frozen=True)
class Goal:
    """``fixed`` is what every trial gets alike, ``known`` are values that are tried first; a timeout of 0 is none."""

    metric: str
    direction: Direction
    space: SearchSpace
    trials: int
    fixed: Mapping[str, Any]
    known: tuple[Mapping[str, Any], ...] = ()
    seed: int | None = None
    pruning: bool = False
    timeout: int = 0

    @property
    def facts(self) -> dict[str, str]:
        """What must not change between two sessions of one study, by the name under which people know it."""
        fixed = {name: json.dumps(value, sort_keys=True, default=str) for name, value in self.fixed.items()}
        return {**fixed, **self.space.described(), "metric": self.metric, "direction": self.direction}

    @property
    def is_grid(self) -> bool:
        """Whether there are so few combinations of values that each is tried once."""
        return self.space.size <= self.trials

    def is_better(self, value: float, than: float) -> bool:
        return value < than if self.direction == "minimize" else value > than


def read_goal(
    file: YamlFile, own: Mapping[str, Any], tuned: Mapping[str, Any], trials: int, reported: Sequence[str]
) -> Goal:
    """The goal of a model's ``file``. ``own`` is the payload without the parameters of files: what it names is not
    tuned. ``tuned`` is what an earlier tuning has found; ``trials`` 0 leaves it to the file, and never are there more
    than combinations of values; ``reported`` are the metrics that are known of trainings, for the hint.

    Raises:
        TrainyardError: tuning is off, or there is nothing to tune, or no metric.
    """
    config = file.check(Config)
    tuning = config.tuning
    if not tuning.tune:
        raise TrainyardError(f"tuning is off in {file.where(('tuning', 'tune'))}", "set tune: true")
    params = with_params(own, config.defaults, {}).get("params", {})
    given = own.get("params") or {}
    space = SearchSpace.of({name: section for name, section in config.tuned.items() if name not in given})
    if config.tuned and not space.dimensions:
        message = f"PAYLOAD fixes all that {file.path} has to tune: {', '.join(config.tuned)}"
        raise TrainyardError(message, "leave one out of its params")
    if not space.dimensions:
        raise TrainyardError(f"{file.where(('tuning', 'hyperparams'))}: there is nothing to tune", EXAMPLE)
    metric = tuning.metric or config.promotion.metric
    direction = tuning.direction if tuning.metric else config.promotion.direction
    if not metric:
        there = f"the last run has {', '.join(reported)}" if reported else "make train, then make run-show shows them"
        raise TrainyardError(f"{file.where(('tuning',))}: tuning names no metric", f"add metric: <name>; {there}")
    fixed = {name: value for name, value in params.items() if name not in space.described()}
    return Goal(
        metric, direction or direction_of(metric), space, int(min(trials or tuning.max_trials, space.size)),
        {**fixed, "dataset": own.get("$ref")}, (config.defaults, tuned), tuning.seed, tuning.pruning, tuning.timeout,
    )  # fmt: skip
