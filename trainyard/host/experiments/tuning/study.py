"""The Optuna study of a tuning, in memory; each trial that is over is also kept in a SQLite file of its run.

Only the process that tunes has the study, so it need not be shared, and asking for a trial takes 2 ms where the file
takes 40. What a killed tuning was at is not in the file; its runs say so.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainyard.errors import TrainyardError
from trainyard.host.experiments.tuning.goal import Goal

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
    """Asks for trials and gets their results; ``keep`` writes that down."""

    def __init__(self, study: optuna.Study, kept: optuna.Study, goal: Goal) -> None:
        self._study = study
        self._kept = kept
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

    def keep(self, trial: optuna.Trial) -> None:
        """Write a trial that is over to the file."""
        self._kept.add_trial(self._study.trials[trial.number])

    def prune(self, trial: optuna.Trial) -> None:
        from optuna.trial import TrialState

        self._study.tell(trial, state=TrialState.PRUNED)

    @property
    def counted(self) -> int:
        """The trials that are over and count as such."""
        trials = self._study.get_trials(deepcopy=False)
        over = [trial.params for trial in trials if trial.state.is_finished() and not _was_interrupted(trial)]
        if self._goal.is_grid:  # of which a search for fewer trials may have tried some twice
            return len({tuple(sorted(params.items())) for params in over})
        return len(over)

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
        kept = optuna.create_study(storage=storage, study_name=NAME, direction=goal.direction, load_if_exists=resume)
        facts, trials = kept.user_attrs.get(FACTS, {}), kept.get_trials()
        if not resume:
            kept.set_user_attr(FACTS, goal.facts)
    except Exception as error:  # noqa: BLE001 -- whatever three libraries make of a damaged file
        reason = " ".join(str(error).split("\n")[0].split())
        raise TrainyardError(f"{path}: not a usable study ({reason})", "start anew, without RESUME=1") from None
    if resume:
        _check_same(facts, goal.facts, folder)
    # The same seed again would draw what was drawn already.
    seed = None if goal.seed is None else goal.seed + len(trials)
    study = optuna.create_study(
        direction=goal.direction, sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        pruner=optuna.pruners.MedianPruner() if goal.pruning else optuna.pruners.NopPruner(),
    )  # fmt: skip
    study.add_trials(trials)
    _plan(study, goal)
    return Study(study, kept, goal)


def kept_study(folder: Path) -> optuna.Study:
    """The study in ``folder``, to be read.

    Raises:
        TrainyardError: Optuna is missing, or the file is not readable.
    """
    library = _optuna()
    path = folder / FILE
    try:
        study: optuna.Study = library.load_study(study_name=NAME, storage=f"sqlite:///{path}")
        study.get_trials(deepcopy=False)
    except Exception as error:  # noqa: BLE001 -- whatever three libraries make of a damaged file
        raise TrainyardError(f"{path}: not a usable study ({' '.join(str(error).split())[:200]})") from None
    return study


def _plan(study: optuna.Study, goal: Goal) -> None:
    """What is tried first: what was interrupted; the defaults, and what an earlier tuning has found; everything, where
    that is little enough."""
    trials = study.get_trials()
    known = [one.params for one in trials if not _was_interrupted(one)]
    for trial in trials:
        if _was_interrupted(trial) and trial.params not in known:
            study.enqueue_trial(trial.params)
            known.append(trial.params)
    for values in goal.known:
        first = goal.space.as_suggested(values)
        is_whole = len(first) == len(goal.space.dimensions)  # of a grid, the sampler might repeat one
        if first and (is_whole or not goal.is_grid):
            study.enqueue_trial(dict(first), skip_if_exists=True)
    if goal.is_grid:
        for every in goal.space.every():
            study.enqueue_trial(dict(every), skip_if_exists=True)


def _was_interrupted(trial: optuna.trial.FrozenTrial) -> bool:
    return trial.state.name == "FAIL" and FAILED not in trial.user_attrs


def _check_same(before: Mapping[str, str], now: Mapping[str, str], folder: Path) -> None:
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if changed:
        changes = ", ".join(f"{name} ({before.get(name, 'absent')}; now {now.get(name, 'absent')})" for name in changed)
        raise TrainyardError(f"{folder.name}: its search was another: {changes}", "start anew, without RESUME=1")


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise TrainyardError("optuna is not installed in .venv", "run make tune, which installs it") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


class _File(sqlite3.Connection):
    """Does not wait for the disk at every commit: a log that is written ahead keeps the file whole all the same."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")
