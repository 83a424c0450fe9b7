"""From which values ``make tune`` chooses: the ``tuning`` sections of config.yaml as a sampler understands them.

Pure: the sampler is whatever has Optuna's three ``suggest`` methods. What it suggests may differ from the value that a
train function gets (the index of a mirrored range, the name of a choice); ``Dimension`` translates both ways.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from trainyard.host.experiments.config import ParamTuning

Value = bool | int | float | str | None  # null is a choice like others


class Suggests(Protocol):
    """An Optuna trial, as far as it is needed here."""

    def suggest_int(self, name: str, low: int, high: int, /, *, step: int = 1, log: bool = False) -> int: ...
    def suggest_float(
        self, name: str, low: float, high: float, /, *, step: float | None = None, log: bool = False
    ) -> float: ...
    def suggest_categorical(self, name: str, choices: Any, /) -> Any: ...


@dataclass(frozen=True)
class Dimension:
    """One parameter that is tuned."""

    name: str
    tuning: ParamTuning

    def suggest(self, trial: Suggests) -> Value:
        """A value, in range, of its type, on the grid of its steps."""
        if self._choices:
            return _of_choice(trial.suggest_categorical(self.name, list(self._choices)))
        if self._multiplies:
            return self._multiple(trial.suggest_int(self.name, 0, int(self.size) - 1))
        log = self.tuning.sampling != "linear"
        if self._is_int:
            step = int(self.tuning.step or 1)
            return int(
                self._mirrored(trial.suggest_int(self.name, int(self._low), int(self._high), step=step, log=log))
            )
        if self.tuning.step is None:
            found = trial.suggest_float(self.name, self._low, self._high, log=log)
            return float(min(max(self._mirrored(found), self._low), self._high))
        return self._on_grid(trial.suggest_float(self.name, self._low, self._high, step=self.tuning.step))

    def as_suggested(self, value: Any) -> Value | None:
        """What the sampler would have suggested for ``value``; None where it never would."""
        if self._choices:
            name = _choice(value) if isinstance(value, (bool, int, float, str, type(None))) else ""
            return name if name in self._choices else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if self._multiplies:
            return self._number_of(value)
        if not self._low <= value <= self._high:
            return None
        if self._is_int and value != int(value):
            return None
        if self.tuning.step is not None and not math.isclose(self._on_grid(value), value, rel_tol=1e-9):
            return None
        mirrored = self._mirrored(value)
        return int(mirrored) if self._is_int else float(mirrored)

    @property
    def size(self) -> float:
        """How many values there are; infinite where they are not counted."""
        if self._choices:
            return len(self._choices)
        if self._multiplies:
            # Of 1000 to the base 10 the logarithm is 2.9999999999999996 here.
            return 1 + math.floor(math.log((self.tuning.max or 0) / self._low, self.tuning.step or 2) + 1e-9)
        if not self._is_int and self.tuning.step is None:
            return 1 if self._low == self._high else math.inf
        return 1 + _steps(self._low, self._high, self.tuning.step or 1)

    def every(self) -> list[Value]:
        """All that the sampler could suggest, where they can be counted."""
        if self._choices:
            return list(self._choices)
        if self._multiplies:
            return list(range(int(self.size)))
        found = [self._low + number * (self.tuning.step or 1) for number in range(int(self.size))]
        return [int(value) if self._is_int else self._on_grid(value) for value in found]

    def described(self) -> str:
        """For people, and to find out whether two are the same."""
        if self.tuning.param_type == "choice":
            return f"one of {', '.join(self._choices)}"
        if self.tuning.param_type == "boolean":
            return "true or false"
        steps = "by factors of" if self._multiplies else "in steps of"
        step = f" {steps} {self.tuning.step:g}" if self.tuning.step else ""
        sampling = "" if self.tuning.sampling == "linear" else f", {self.tuning.sampling}"
        return f"{self.tuning.param_type} from {self._low:g} to {self.tuning.max:g}{step}{sampling}"

    @property
    def _choices(self) -> tuple[str, ...]:
        """As JSON: 1, true and "1" are three values, but Python takes the first two for one."""
        values = [False, True] if self.tuning.param_type == "boolean" else self.tuning.values or []
        return tuple(dict.fromkeys(_choice(value) for value in values))

    @property
    def _multiplies(self) -> bool:
        """Whether ``step`` is a factor, as in KerasTuner where the sampling is log: 2, 4, 8, 16. The sampler then
        suggests the number of the value."""
        return self.tuning.step is not None and self.tuning.sampling != "linear"

    def _multiple(self, number: int) -> int | float:
        value = _decimal(self._low) * _decimal(self.tuning.step or 1) ** number
        if self.tuning.sampling == "reverse_log":
            value = _decimal(self._low) + _decimal(self.tuning.max or 0) - value
        return int(value) if self._is_int else float(value)

    def _number_of(self, value: float) -> int | None:
        """Of a value that ``_multiple`` gives; None of any other."""
        factor = (
            self._low + (self.tuning.max or 0) - value if self.tuning.sampling == "reverse_log" else value
        ) / self._low
        if not 0 < factor < math.inf:
            return None
        number = round(math.log(factor, self.tuning.step or 2))
        is_one = 0 <= number < self.size and math.isclose(self._multiple(number), value, rel_tol=1e-9)
        return number if is_one else None

    @property
    def _is_int(self) -> bool:
        return self.tuning.param_type == "int"

    @property
    def _low(self) -> float:
        return self.tuning.min or 0.0

    @property
    def _high(self) -> float:
        """The last value that is a whole number of steps from the first."""
        high = self.tuning.max or 0.0
        return self._on_grid(high, down=True) if self.tuning.step else high

    def _on_grid(self, value: float, *, down: bool = False) -> float:
        """The nearest value (or the next below) on the grid; decimal, so that 0.1 + 2 * 0.1 is 0.3."""
        low, step = _decimal(self._low), _decimal(self.tuning.step or 1)
        count = (_decimal(value) - low) / step
        return float(low + step * (math.floor(count) if down else round(count)))

    def _mirrored(self, value: float) -> float:
        """``reverse_log`` is log, seen from the other end: dense near ``max``, as KerasTuner has it."""
        return self._low + self._high - value if self.tuning.sampling == "reverse_log" else value


@dataclass(frozen=True)
class SearchSpace:
    """All parameters that are tuned."""

    dimensions: tuple[Dimension, ...]

    @classmethod
    def of(cls, tuned: Mapping[str, ParamTuning]) -> SearchSpace:
        return cls(tuple(Dimension(name, tuning) for name, tuning in tuned.items()))

    def suggest(self, trial: Suggests) -> dict[str, Value]:
        """A value for each parameter."""
        return {dimension.name: dimension.suggest(trial) for dimension in self.dimensions}

    def as_suggested(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """Those of ``values`` that the sampler could have suggested, as it would have."""
        found = {one.name: one.as_suggested(values[one.name]) for one in self.dimensions if one.name in values}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def size(self) -> float:
        """How many combinations there are."""
        return math.prod(dimension.size for dimension in self.dimensions)

    def every(self) -> Iterator[dict[str, Value]]:
        """All combinations that the sampler could suggest, where they can be counted."""
        for values in itertools.product(*(dimension.every() for dimension in self.dimensions)):
            yield {dimension.name: value for dimension, value in zip(self.dimensions, values, strict=True)}

    def described(self) -> dict[str, str]:
        return {dimension.name: dimension.described() for dimension in self.dimensions}


def _choice(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of_choice(name: Any) -> Value:
    found: Value = json.loads(name)
    return found


def _steps(low: float, high: float, step: float) -> int:
    return math.floor((_decimal(high) - _decimal(low)) / _decimal(step))


def _decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))
