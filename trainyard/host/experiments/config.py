"""``config.yaml`` of a model directory: parameters, what may be tuned, what decides whether a new model is better.

The sections ``params`` and ``tuning`` are those of the KerasTuner-style files that many repositories have; such a file
works as it is.
"""

from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from trainyard.contract.champion_rule import Direction, Guarded, Rule, direction_of
from trainyard.host.experiments.retrain_section import RetrainSection
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.experiments.yaml_files import Section, YamlFile, read_yaml
from trainyard.settings.declarations import variables_of
from trainyard.settings.image import ImageSettings

FILE = "config.yaml"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What make and the scripts of the images set.
OURS = {name for declared in fields(ImageSettings) for name in variables_of(declared)} | {
    "PATH", "PYTHONPATH", "VIRTUAL_ENV", "VENV", "APP_ROOT", "KEEP_USER",
}  # fmt: skip
UNREAD = ("input_paths", "output_paths")  # which such files have for DVC
ParamType = Literal["int", "float", "boolean", "choice"]
Sampling = Literal["linear", "log", "reverse_log"]


class ParamTuning(Section):
    """From which values a parameter is chosen. ``reverse_log`` is dense near ``max``. ``step`` counts from ``min``;
    it is a factor where the sampling is not linear, as in KerasTuner (``hp.Int``, ``hp.Float``)."""

    tune: bool = True
    param_type: ParamType
    min: float | None = None
    max: float | None = None
    step: Annotated[float, Field(gt=0)] | None = None
    sampling: Sampling = "linear"
    values: list[bool | int | float | str | None] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ParamTuning:
        if self.param_type == "choice":
            if not self.values:
                raise ValueError("a choice needs values: a list of at least one")
            return self
        if self.values is not None:
            raise ValueError(f"values are for param_type: choice, not for {self.param_type}")
        if self.param_type == "boolean":
            return self
        if self.min is None or self.max is None:
            raise ValueError(f"param_type: {self.param_type} needs min and max")
        self._check_range(self.min, self.max)
        return self

    def _check_range(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high)) or low > high:
            raise ValueError(f"min {low:g} and max {high:g} are no range")
        if self.sampling != "linear" and low <= 0:
            raise ValueError(f"sampling: {self.sampling} needs a min above 0")
        if self.sampling != "linear" and self.step is not None and self.step <= 1:
            raise ValueError(f"step {self.step:g} is a factor with sampling: {self.sampling}, and needs to be above 1")
        if self.param_type == "int":
            for name, value in (("min", low), ("max", high), ("step", self.step or 1)):
                if value != int(value):
                    raise ValueError(f"{name} {value:g} is not an int")


class HyperParam(Section):
    """One parameter of the model: its value where it is not tuned, and how it is."""

    default_value: Any
    tuning: ParamTuning | None = None


class Tuning(Section):
    """What ``make tune`` does. ``timeout`` in seconds, 0 for none; ``metric`` is one that the training records."""

    tune: bool = True
    max_trials: Annotated[int, Field(ge=1)] = 20
    metric: str = ""
    direction: Direction | None = None
    timeout: Annotated[int, Field(ge=0)] = 0
    seed: int | None = None
    pruning: bool = False
    hyperparams: dict[str, HyperParam] = Field(default_factory=dict)


class Guard(Section):
    """A metric that must not get worse by more than ``tolerance``, in its own unit."""

    tolerance: Annotated[float, Field(ge=0)] = 0.0
    direction: Direction | None = None


class Promotion(Section):
    """When a new model becomes the champion: better by more than ``min_delta`` in ``metric``; the tuning's, where none
    is named."""

    metric: str = ""
    direction: Direction | None = None
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class CiSection(Section):
    """Small files that a training writes, for ``make ci-train`` to commit; paths below the project."""

    commit: list[str] = Field(default_factory=list)

    @field_validator("commit")
    @classmethod
    def _below(cls, given: list[str]) -> list[str]:
        for name in given:
            if not name or name.startswith(("/", "-")) or not {"", ".", ".."}.isdisjoint(name.split("/")):
                raise ValueError(f"{name!r} is not the path of a file below the project")
        return given


class Config(Section):
    """The whole file."""

    params: dict[str, Any] = Field(default_factory=dict)
    tuning: Tuning = Field(default_factory=Tuning)
    promotion: Promotion = Field(default_factory=Promotion)
    guards: dict[str, Guard] = Field(default_factory=dict)
    environment: dict[str, str | int | float] = Field(default_factory=dict)
    training: TrainingSection = Field(default_factory=TrainingSection)
    ci: CiSection = Field(default_factory=CiSection)
    retrain: RetrainSection = Field(default_factory=RetrainSection)
    tracking: Literal["make", "own"] = "make"  # own: the train function logs to MLflow itself
    input_paths: Any = None
    output_paths: Any = None

    @field_validator("guards", mode="before")
    @classmethod
    def _short_guards(cls, given: Any) -> Any:
        """``[recall, log_loss]`` and ``{recall: 0.01}`` are short for sections."""
        if isinstance(given, list) and all(isinstance(name, str) for name in given):
            return {name: {} for name in given}
        if isinstance(given, dict):
            numbers = (int, float)
            return {key: {"tolerance": float(v)} if type(v) in numbers else v or {} for key, v in given.items()}
        return given

    @field_validator("environment")
    @classmethod
    def _variables(cls, given: dict[str, str | int | float]) -> dict[str, str | int | float]:
        for name, value in given.items():
            if not _VARIABLE.fullmatch(name) or "\0" in str(value):
                raise ValueError(f"{name!r} is not the name and value of an environment variable")
            if name in OURS:
                raise ValueError(f"make sets {name} itself: remove it here, and give settings to make ({name}=...)")
        return given

    @model_validator(mode="after")
    def _each_once(self) -> Config:
        if twice := sorted(self.params.keys() & self.tuning.hyperparams.keys()):
            raise ValueError(f"{twice[0]} is in params and in tuning.hyperparams: keep one")
        return self

    @property
    def defaults(self) -> dict[str, Any]:
        """Every parameter with its value where nothing else is given."""
        return {**self.params, **{name: param.default_value for name, param in self.tuning.hyperparams.items()}}

    @property
    def tuned(self) -> dict[str, ParamTuning]:
        """The parameters that ``make tune`` chooses."""
        found = ((name, param.tuning) for name, param in self.tuning.hyperparams.items())
        return {name: tuning for name, tuning in found if tuning and tuning.tune}

    @property
    def metric(self) -> str:
        """The primary metric: of promotion, else of tuning; may be empty."""
        return self.promotion.metric or self.tuning.metric

    @property
    def direction(self) -> Direction:
        """Of the primary metric."""
        given = self.promotion.direction or (self.tuning.direction if self.metric == self.tuning.metric else None)
        return given or direction_of(self.metric)

    @property
    def rule(self) -> Rule:
        """When a new model becomes the champion."""
        guards = {name: Guarded(guard.tolerance, guard.direction) for name, guard in self.guards.items()}
        return Rule(self.metric, self.direction, self.promotion.min_delta, guards)


def config_file(model: Path) -> YamlFile:
    """The file of a model directory, which may be absent or empty.

    Raises:
        TrainyardError: it cannot be read.
    """
    path = model / FILE
    return read_yaml(path) if path.is_file() else YamlFile(path, {}, {})


def read_config(model: Path) -> Config:
    """The configuration of a model directory; all defaults where it has none.

    Raises:
        TrainyardError: naming file, line, key and fix.
    """
    return config_file(model).check(Config)
