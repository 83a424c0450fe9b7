"""Which values the entry point of a project is given for a request.

The names are those of the service that came before this one: ``model_name, experiment_name, lower_is_better,
primary_metric, base_model, dataset_repo``, and our ``dataset_uri``. Only what the MLproject declares is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainyard.contract.champion_rule import Direction, Rule
from trainyard.errors import TrainyardError
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.mlprojects.project_file import ProjectFile

# Where there is none, and the MLproject has no default of its own: what the older service's projects compare with.
ABSENT = {"base_model": "None", "dataset_repo": "not_used", "dataset_uri": "not_used"}
DATASETS = ("dataset_repo", "dataset_uri")
_LONGEST = 6000  # characters that MLflow takes


def values_for(project: ProjectFile, request: RetrainRequest, base_model_run: str = "") -> dict[str, str]:
    """Every declared parameter with its value, as text.

    Args:
        project: the MLproject.
        request: what was asked for.
        base_model_run: the MLflow run of the request's base model (``mlflow_run_of`` finds it); the request's own words
            where it is empty.

    Raises:
        TrainyardError: a parameter that is not declared, that is given twice, or that has no value.
    """
    given = _asked(project, request, base_model_run or request.base_model)
    for name, value in request.params.items():
        _check_declared(project, name, "params")
        if name in given:
            raise TrainyardError(f"{name} is given twice: in params, and beside it", "give it once")
        given[name] = _text(name, value)
    values = {}
    for name, parameter in project.parameters.items():
        value = given.get(name, parameter.default)
        value = ABSENT.get(name) if value is None else value
        if value is None:
            raise TrainyardError(
                f"{project.path.name}: the parameter {name} has no default, and none is given",
                f'give it: "params": {{"{name}": ...}}',
            )
        values[name] = _checked(name, value)
    return values


def rule_of(values: Mapping[str, str]) -> Rule:
    """By which metric versions are compared, and which way it is better, as the parameters say."""
    directions: dict[str, Direction] = {"true": "minimize", "false": "maximize"}
    return Rule(values.get("primary_metric", ""), directions.get(values.get("lower_is_better", "").lower()))


def _asked(project: ProjectFile, request: RetrainRequest, base_model: str) -> dict[str, str]:
    """What the request says outside of ``params``."""
    given = {}
    if request.experiment_name and "experiment_name" in project.parameters:
        given["experiment_name"] = request.experiment_name
    if request.base_model:
        _check_declared(project, "base_model", "base_model")
        given["base_model"] = base_model
    if request.dataset_uri:
        names = [name for name in DATASETS if name in project.parameters]
        if not names:
            _check_declared(project, DATASETS[0], "dataset_uri")
        given |= dict.fromkeys(names, request.dataset_uri)
    return given


def _check_declared(project: ProjectFile, name: str, key: str) -> None:
    if name not in project.parameters:
        known = ", ".join(project.parameters) or "none"
        what = f"{project.path.name} declares no parameter {name}"
        raise TrainyardError(what, f"leave out {key}, or declare it; declared are {known}")


def _text(name: str, value: Any) -> str:
    """As MLflow writes a default of YAML: ``True``, ``0.5``."""
    if value is None or isinstance(value, (dict, list)):
        raise TrainyardError(f"params: {name} is {value!r}, not one value", "give text, a number, true or false")
    return str(value)


def _checked(name: str, value: str) -> str:
    if len(value) > _LONGEST:
        raise TrainyardError(f"the parameter {name} has {len(value)} characters", f"MLflow takes {_LONGEST}")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise TrainyardError(f"the parameter {name} has a control character", "give it on one line")
    return value
