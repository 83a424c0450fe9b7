"""make tune: the parameters that config.yaml leaves open, chosen by trials; the final model, trained with the best."""

from __future__ import annotations

from trainyard.host.experiments.tuning.goal import Goal
from trainyard.host.experiments.tuning.progress import shown
from trainyard.host.experiments.tuning.study import Study
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations import tune as operation
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.tables import table

BEST = 5  # trials in the table at the end


def tune(session: Session, model: ModelDir) -> None:
    """Search, write hyperparameters.yaml, train the final model; show what is tried, and what was best."""
    planned = operation.plan_tuning(session, model)
    rows = [("PARAMETER", "VALUES"), *planned.search.goal.space.described().items()]
    for line in table(rows):
        console.result(line)
    operation.tune(session, planned, _show_best)


def _show_best(found: Study, goal: Goal) -> None:
    rows = [(str(one.number), f"{one.value:.6g}", one.run, shown(one.params)) for one in found.best(BEST)]
    for line in table([("TRIAL", goal.metric.upper(), "RUN", "PARAMETERS"), *rows]) if rows else ():
        console.result(line)
