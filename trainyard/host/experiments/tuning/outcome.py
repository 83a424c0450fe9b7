"""What came of a tuning's trials, as its study has it: for reports."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainyard.errors import TrainyardError
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.tuning.study import FILE, PARAMS, kept_study
from trainyard.host.support.reporter import Reporter

if TYPE_CHECKING:
    import optuna

FEWEST = 5  # finished trials: of fewer, nobody can say what matters


@dataclass(frozen=True)
class TrialOutcome:
    """``value`` is None where the trial gave none: it was pruned, or it failed."""

    number: int
    state: str  # Optuna's word, in small letters: complete, pruned, fail
    value: float | None
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """All trials that are over, in their order. ``importance`` is each parameter's share in how the metric varies; it
    is empty where there are too few trials to say, or all parameters are one."""

    metric: str
    minimizes: bool
    trials: tuple[TrialOutcome, ...]
    importance: Mapping[str, float] = field(default_factory=dict)

    @property
    def best_first(self) -> list[TrialOutcome]:
        """Those without a value last."""
        sign = 1 if self.minimizes else -1
        return sorted(self.trials, key=lambda one: (one.value is None, sign * (one.value or 0), one.number))


def read_outcome(run: Run, reporter: Reporter) -> Outcome | None:
    """The outcome of a tuning; None of other runs, and where there is no study that can be read, which is a warning."""
    if run.kind != "tuning" or not run.files.is_file(FILE):
        return None
    try:
        study = kept_study(run.folder)
    except TrainyardError as error:
        reporter.warn(f"{run.id}: the report does not show the trials: {error}")
        return None
    trials = tuple(
        TrialOutcome(one.number, one.state.name.lower(), one.value, one.user_attrs.get(PARAMS, one.params))
        for one in study.trials
        if one.state.is_finished()
    )
    minimizes = study.direction.name == "MINIMIZE"
    return Outcome(run.tags.get("metric", "value"), minimizes, trials, _importance(study, trials))


def _importance(study: optuna.Study, trials: tuple[TrialOutcome, ...]) -> dict[str, float]:
    import optuna

    done = [one for one in trials if one.state == "complete"]
    if len(done) < FEWEST or len({one.value for one in done}) < 2 or len(done[0].params) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is experimental
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()  # https://arxiv.org/abs/2304.10255
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
