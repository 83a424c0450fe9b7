"""Compare with the champion and register, for train scripts that track their runs themselves.

Such a script has mlflow in its own requirements_train.txt; what `make train` does by itself needs none of this.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from trainyard.champion_rule import Decision, Rule, decide

CHAMPION = "champion"


def auto_compare_and_register(
    model: Any,
    eval_metric: float,
    model_name: str,
    lower: bool,
    p_metric: str,
    client: MlflowClient | None = None,
    mlflow_model: ModuleType | None = None,
    min_delta: float = 0.0,
) -> Decision:
    """Log ``model`` to the active run, register it as a new version, and make that the champion if it is better.

    Args:
        model: the trained object.
        eval_metric: its primary metric, measured on the rows that the champion was measured on.
        model_name: of the registered model; made where there is none.
        lower: whether a lower value is better.
        p_metric: the metric's name; the champion's value is the one that its run has logged under it.
        client: of the tracking server; by default of the one that is set.
        mlflow_model: the flavor that logs the object, such as ``mlflow.sklearn`` (the default).
        min_delta: by how much it has to be better.

    Returns:
        Whether it is the champion now, and why; the version has both as tags.

    Raises:
        mlflow.exceptions.MlflowException: no run is active, or the server refuses.
    """
    run = mlflow.active_run()
    if run is None:
        raise MlflowException("no run is active: call this within mlflow.start_run()")
    client = client or MlflowClient()
    flavor = mlflow_model or _sklearn()
    mlflow.log_metric(p_metric, eval_metric)
    logged = flavor.log_model(model, name="model", registered_model_name=model_name)
    version = str(logged.registered_model_version)
    rule = Rule(p_metric, "minimize" if lower else "maximize", min_delta)
    decision = decide(rule, {p_metric: eval_metric}, _champion_metrics(client, model_name))
    client.set_model_version_tag(model_name, version, "promoted", str(decision.promoted).lower())
    client.set_model_version_tag(model_name, version, "reason", decision.reason)
    if decision.promoted:
        client.set_registered_model_alias(model_name, CHAMPION, version)
    return decision


def _champion_metrics(client: MlflowClient, model_name: str) -> dict[str, float] | None:
    """What the champion's run has logged; None where there is no champion."""
    aliases = client.get_registered_model(model_name).aliases
    if CHAMPION not in aliases:
        return None
    champion = client.get_model_version(model_name, aliases[CHAMPION])
    if not champion.run_id:
        return {}
    return dict(client.get_run(champion.run_id).data.metrics)


def _sklearn() -> ModuleType:
    from mlflow import sklearn

    return sklearn
