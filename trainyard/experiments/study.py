"""The Optuna study of a tuning: a SQLite file in its run, which only the process that tunes writes."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainyard.errors import TrainyardError
from trainyard.experiments.goal import Goal

if TYPE_CHECKING:
    import optuna

FILE = "study.db"
NAME = "tuning"
# Attributes of the study, and of its trials.
FACTS, RUN, PARAMS, FAILED = "facts", "run", "params", "failed"


@dataclass(frozen=True)
class Tried:
    """A trial that gave a value."""

    number: int
    value: float
    params: Mapping[str, Any]
    run: str


class Study:
    """Asks for trials and is told what came of them."""

    def __init__(self, study: optuna.Study, goal: Goal) -> None:
        self._study = study
        self._goal = goal

    def ask(self) -> tuple[optuna.Trial, dict[str, Any]]:
        """The next trial and its parameters."""
        trial = self._study.ask()
        params = self._goal.space.suggest(trial)
        trial.set_user_attr(PARAMS, params)
        return trial, params

    def tell(self, trial: optuna.Trial, value: float) -> None:
        self._study.tell(trial, value)

    def fail(self, trial: optuna.Trial, reason: str) -> None:
        """It gave nothing, and is not tried again."""
        from optuna.trial import TrialState

        trial.set_user_attr(FAILED, reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def give_up(self, trial: optuna.Trial) -> None:
        """It was interrupted: it does not count, and is tried again when the study goes on."""
        from optuna.trial import TrialState

        self._study.tell(trial, state=TrialState.FAIL)

    def prune(self, trial: optuna.Trial) -> None:
        from optuna.trial import TrialState

        self._study.tell(trial, state=TrialState.PRUNED)

    @property
    def counted(self) -> int:
        """The trials that are over and count as such."""
        trials = self._study.get_trials(deepcopy=False)
        return sum(trial.state.is_finished() and not _was_interrupted(trial) for trial in trials)

    def best(self, most: int) -> list[Tried]:
        """The best trials, the best first; of equal ones the earlier."""
        from optuna.trial import TrialState

        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        found = [
            Tried(trial.number, float(trial.values[0]), trial.user_attrs[PARAMS], trial.user_attrs.get(RUN, ""))
            for trial in done
        ]
        sign = 1 if self._goal.direction == "minimize" else -1
        return sorted(found, key=lambda one: (sign * one.value, one.number))[:most]


def open_study(folder: Path, goal: Goal, *, resume: bool) -> Study:
    """A new study in ``folder``, or the one that is there.

    Raises:
        TrainyardError: Optuna is missing, or the study that is there is of other parameters, or not readable.
    """
    optuna = _optuna()
    path = folder / FILE
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"factory": _File}})
        study = optuna.create_study(
            storage=storage, study_name=NAME, direction=goal.direction, load_if_exists=resume,
            pruner=optuna.pruners.MedianPruner() if goal.pruning else optuna.pruners.NopPruner(),
        )  # fmt: skip
        if resume:
            _check_same(study.user_attrs.get(FACTS, {}), goal.facts, folder)
            _try_again(study)
        else:
            study.set_user_attr(FACTS, goal.facts)
        _plan(study, goal)
    except Exception as error:
        if isinstance(error, TrainyardError):
            raise
        reason = " ".join(str(error).split("\n")[0].split())
        raise TrainyardError(f"{path}: not a usable study ({reason})", "start anew, without RESUME=1") from None
    # The same seed again would draw what was drawn already.
    seed = None if goal.seed is None else goal.seed + len(study.get_trials(deepcopy=False)) * resume
    study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return Study(study, goal)


def _plan(study: optuna.Study, goal: Goal) -> None:
    """What is tried first: the defaults, what an earlier tuning has found; everything, where that is little enough."""
    for values in goal.known:
        if first := goal.space.as_suggested(values):
            study.enqueue_trial(dict(first), skip_if_exists=True)
    if goal.space.size <= goal.trials:
        for every in goal.space.every():
            study.enqueue_trial(dict(every), skip_if_exists=True)


def _try_again(study: optuna.Study) -> None:
    """What ran when the tuning was interrupted or killed is planned once more, unless an earlier session did that."""
    from optuna.trial import TrialState

    for running in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(running.number, state=TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    known = [one.system_attrs.get("fixed_params", one.params) for one in trials if not _was_interrupted(one)]
    for trial in trials:
        if _was_interrupted(trial) and trial.params not in known:
            study.enqueue_trial(trial.params)
            known.append(trial.params)


def _was_interrupted(trial: optuna.trial.FrozenTrial) -> bool:
    return trial.state.name == "FAIL" and FAILED not in trial.user_attrs


def _check_same(before: Mapping[str, str], now: Mapping[str, str], folder: Path) -> None:
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if changed:
        said = ", ".join(f"{name} ({before.get(name, 'absent')}; now {now.get(name, 'absent')})" for name in changed)
        raise TrainyardError(f"{folder.name}: its search was another: {said}", "start anew, without RESUME=1")


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise TrainyardError("optuna is not installed in .venv", "run make tune, which installs it") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


class _File(sqlite3.Connection):
    """Does not wait for the disk at every commit, of which a trial has ten: a log that is written ahead keeps the file
    whole all the same, whatever is killed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")
