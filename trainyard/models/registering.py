"""Compare with the champion and register, for train scripts that track their runs themselves.

Such a script has mlflow in its own requirements_train.txt, and `tracking: own` in its config.yaml; what `make train`
does by itself needs none of this.
"""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from trainyard.contract.champion_rule import CHAMPION, PREVIOUS, PROMOTED, REGISTERED_AS, Decision, Rule, decide
from trainyard.models.preparing import data_and_model_prep, get_combination
from trainyard.settings.own_process import callers_environment

__all__ = ["auto_compare_and_register", "data_and_model_prep", "get_combination"]

# By the package that an object's class is of, where MLflow calls its flavor otherwise.
FLAVORS = {"torch": "pytorch", "lightning": "pytorch", "pytorch_lightning": "pytorch", "keras": "tensorflow"}


def auto_compare_and_register(
    model: Any,
    eval_metric: float,
    model_name: str,
    lower: bool | str,
    p_metric: str,
    client: MlflowClient | None = None,
    mlflow_model: ModuleType | None = None,
    min_delta: float = 0.0,
) -> Decision:
    """Log ``model`` to the active run, register it as a new version, and make that the champion if it is better.

    Where no run is active, MLflow begins one, as it does for whatever is logged.

    Args:
        model: the trained object.
        eval_metric: its primary metric, measured on the rows that the champion was measured on.
        model_name: of the registered model; made where there is none. The name of the model that `make train` trains is
            that of `make promote`: one model has one champion.
        lower: whether a lower value is better.
        p_metric: the metric's name; the champion's value is the one that its run has logged under it.
        client: of the tracking server; by default of the one that is set.
        mlflow_model: the flavor that logs the object, such as ``mlflow.pytorch``; by default, and where it is no flavor
            (``mlflow.models``), that of the object's class, else ``mlflow.sklearn``, which takes what can be pickled.
        min_delta: by how much it has to be better.

    Returns:
        Whether it is the champion now, and why; the version has both as tags.

    Raises:
        mlflow.exceptions.MlflowException: the server does not answer, or refuses.
    """
    client = client or MlflowClient()
    name, value = _registered(model_name), float(eval_metric)
    mlflow.log_metric(p_metric, value)
    version = _log(model, mlflow_model, name, client)
    champion = _champion(client, name)
    rule = Rule(p_metric, "minimize" if str(lower).lower() != "false" else "maximize", min_delta)
    decision = decide(rule, {p_metric: value}, _metrics(client, champion) if champion else None)
    client.set_model_version_tag(name, version, PROMOTED, str(decision.promoted).lower())
    client.set_model_version_tag(name, version, "reason", decision.reason)
    if decision.promoted:
        if champion:
            client.set_model_version_tag(name, version, PREVIOUS, str(champion.version))
        client.set_registered_model_alias(name, CHAMPION, version)
    return decision


def _registered(model_name: str) -> str:
    """The name in the registry: `make promote` calls the model that is trained <project>.<MODEL_NAME>."""
    known = callers_environment().get(REGISTERED_AS, "")
    return known if known.partition(".")[2] == model_name else model_name


def _log(model: Any, flavor: ModuleType | None, name: str, client: MlflowClient) -> str:
    """Log and register; the number of the version."""
    log = getattr(flavor, "log_model", None) or _flavor_of(model).log_model
    # What MLflow 3 calls name was artifact_path before.
    place = {"name": "model"} if "name" in inspect.signature(log).parameters else {"artifact_path": "model"}
    logged = log(model, **place, registered_model_name=name)
    if number := getattr(logged, "registered_model_version", None):
        return str(number)
    run = mlflow.active_run()
    found = client.search_model_versions(f"name = '{name}'")
    return str(max(int(one.version) for one in found if run and one.run_id == run.info.run_id))


def _flavor_of(model: Any) -> Any:
    """The module of mlflow that logs objects of that class."""
    packages = [kind.__module__.partition(".")[0] for kind in type(model).__mro__[:-1]]
    for package in packages:
        try:
            flavor = importlib.import_module(f"mlflow.{FLAVORS.get(package, package)}")
        except ImportError:
            continue
        if hasattr(flavor, "log_model"):
            return flavor
    return importlib.import_module("mlflow.sklearn")


def _champion(client: MlflowClient, name: str) -> Any:
    """The version that is the champion; None where there is none."""
    aliases = client.get_registered_model(name).aliases
    return client.get_model_version(name, aliases[CHAMPION]) if CHAMPION in aliases else None


def _metrics(client: MlflowClient, version: Any) -> dict[str, float]:
    """What the version's run has logged; nothing where its run is gone."""
    try:
        return dict(client.get_run(version.run_id).data.metrics) if version.run_id else {}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
