"""Boosted trees that go on from those of the base model, where both see the same features.

The rounds of the new training are added to the earlier ones. Where that cannot be, one line says why, and the training
begins from nothing.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from trainyard.models.base_models import BASE_MODEL, base_model, base_model_name
from trainyard.models.native_files import SUFFIXES, has_native
from trainyard.models.predicting import OneThread

# What each library's fit() calls the model that it goes on from: an estimator of its own, or the path of its file.
ARGUMENTS = {"xgboost": "xgb_model", "lightgbm": "init_model", "catboost": "init_model"}
# Of scikit-learn: the parameter that is the number of rounds, and the fitted attribute.
ROUNDS = {
    "GradientBoostingClassifier": ("n_estimators", "n_estimators_"),
    "GradientBoostingRegressor": ("n_estimators", "n_estimators_"),
    "HistGradientBoostingClassifier": ("max_iter", "n_iter_"),
    "HistGradientBoostingRegressor": ("max_iter", "n_iter_"),
}


def earlier_rounds(estimator: Any, encoder: Any, task: str, labels: Sequence[Any]) -> Any | None:
    """What ``estimator`` can go on from: a fitted estimator of its class, or the path of its library's file; None where
    no base model was given, or it cannot, which is said in one line.

    Raises:
        ModelUnavailable: a file of the base model is not the one that was recorded, or cannot be loaded here.
    """
    name = base_model_name()
    if name is None:
        return None
    earlier, reason = _found(name, inner_of(estimator), encoder, task, labels)
    if reason:
        print(f"warning: the base model is ignored: {reason}", file=sys.stderr, flush=True)  # noqa: T201 -- as a runner
    return earlier


def _found(name: str, inner: Any, encoder: Any, task: str, labels: Sequence[Any]) -> tuple[Any | None, str]:
    """What it goes on from, or the reason why it does not."""
    library, kind = library_of(inner), type(inner).__name__
    if library not in ARGUMENTS and kind not in ROUNDS:
        return None, f"{kind} does not go on from another model"
    base = base_model()
    if not isinstance(base, Mapping) or not {"estimator", "encoder", "task"} <= base.keys():
        return None, "it is not one that trainyard.models.training saved"
    if reason := _difference(base, encoder, task, labels):
        return None, reason
    if has_native(BASE_MODEL, name):
        path = BASE_MODEL / f"{name}{SUFFIXES.get(library, '')}"
        known = library in SUFFIXES and path.is_file()
        return (str(path), "") if known else (None, f"it is of another library than {kind}")
    earlier = inner_of(base["estimator"])
    if type(earlier) is not type(inner):
        return None, f"it is a {type(earlier).__name__}, and this model is a {kind}"
    return earlier, ""


def arguments_of(inner: Any, earlier: Any) -> dict[str, Any]:
    """What fit() is given to go on from ``earlier``. scikit-learn's go on from themselves."""
    if earlier is None:
        return {}
    if argument := ARGUMENTS.get(library_of(inner)):
        return {argument: earlier.get_booster() if hasattr(earlier, "get_booster") else earlier}
    rounds, fitted = ROUNDS[type(inner).__name__]
    own = inner.get_params()
    vars(inner).update(copy.deepcopy(vars(earlier)))
    inner.set_params(**own | {rounds: own[rounds] + int(getattr(earlier, fitted)), "warm_start": True})
    return {}


def end_of(inner: Any, earlier: Any) -> None:
    """After the fit: whoever fits the estimator again begins from nothing, and its parameters say how many rounds it
    has. What compiles XGBoost's reads them."""
    if earlier is None:
        return
    if library_of(inner) == "xgboost":
        inner.set_params(n_estimators=inner.get_booster().num_boosted_rounds())
    elif library_of(inner) not in ARGUMENTS:
        inner.set_params(warm_start=False)


def inner_of(estimator: Any) -> Any:
    """The library's own estimator."""
    return estimator.estimator if isinstance(estimator, OneThread) else estimator


def library_of(inner: Any) -> str:
    return type(inner).__module__.partition(".")[0]


def _difference(base: Mapping[str, Any], encoder: Any, task: str, labels: Sequence[Any]) -> str:
    if base["task"] != task:
        return f"it is for {base['task']}, not for {task}"
    if list(base.get("labels") or ()) != list(labels):
        return "its labels are others"
    old, new = _layout(base["encoder"].as_json()), _layout(encoder.as_json())
    if old == new:
        return ""
    named = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return f"its features are others, of {', '.join(named[:5])}{' and more' if len(named) > 5 else ''}"


def _layout(described: Mapping[str, Any]) -> dict[str, Any]:
    """By each column what decides about its features; the ranges that were seen do not, nor what fills a gap."""
    if "parts" in described:
        parts = {part["name"]: (part["type"], part["nullable"], part["words"]) for part in described["parts"]}
        return parts | {f"{name} (plain)": value for name, value in _layout(described["plain"]).items()}
    columns, categories = described["columns"], described["categories"]
    found: dict[str, Any] = {name: (place, categories.get(name)) for place, name in enumerate(columns)}
    return found | ({"scaling": described["scaling"]} if described["scaling"] is not None else {})
