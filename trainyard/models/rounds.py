"""Fits estimators that work in rounds, and reports to the run how good they are after each; for training only.

`log_loss` (of a regression `rmse`) is that of the held-out rows and ends at the metric of that name, `train_...` is
that of the rows that it learns from. What is fitted is the same, to the byte, whether anybody asks or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

from trainyard.models.importance import log_loss, root_mean_squared_error
from trainyard.models.nets import Net
from trainyard.models.runs import log_metrics
from trainyard.models.warm_start import arguments_of, end_of, inner_of, library_of

Rows = tuple[Any, list[Any]]  # features and targets
More = dict[str, Any]  # arguments of fit() by which it goes on from an earlier model
_NAMES = {
    "logloss": "log_loss", "mlogloss": "log_loss", "rmse": "rmse",
    "Logloss": "log_loss", "MultiClass": "log_loss", "RMSE": "rmse",
}  # fmt: skip


def fit_by_rounds(
    estimator: Any, features: Any, targets: list[Any], held_out: Rows | None, earlier: Any | None = None
) -> None:
    """Fit, and report each round's loss where there are rows to compute it with and the library is known. ``earlier``:
    what it goes on from (``trainyard.models.warm_start``)."""
    inner = inner_of(estimator)
    library = library_of(inner)
    more = arguments_of(inner, earlier)
    if held_out is None:
        inner.fit(features, targets, **more)
    else:
        fit = _fit_net if isinstance(inner, Net) else _FITS.get(library, _fit_sklearn)
        fit(inner, (features, targets), held_out, more)
    end_of(inner, earlier)
    if library == "catboost":
        _forget_the_run(inner)


def _fit_xgboost(estimator: Any, training: Rows, held_out: Rows, more: More) -> None:
    from xgboost.callback import TrainingCallback

    class Report(TrainingCallback):
        def after_iteration(self, _model: Any, epoch: int, evals_log: Any) -> bool:
            _report(epoch, *evals_log.values())
            return False

    before = estimator.callbacks
    estimator.set_params(callbacks=[*(before or []), Report()])
    estimator.fit(*training, eval_set=[training, held_out], verbose=False, **more)
    # It keeps both, and would be another binary.
    estimator.set_params(callbacks=before)
    vars(estimator).pop("evals_result_")


def _fit_catboost(estimator: Any, training: Rows, held_out: Rows, more: More) -> None:
    class Report:
        def after_iteration(self, info: Any) -> bool:
            _report(info.iteration - 1, info.metrics["learn"], info.metrics["validation"])
            return True

    estimator.fit(*training, eval_set=held_out, use_best_model=False, callbacks=[Report()], **more)


def _forget_the_run(estimator: Any) -> None:
    """Blank what CatBoost puts into a model of how it was fitted: its id, when, the losses, who received them."""
    metadata = estimator.get_metadata()
    params = json.loads(metadata["params"])
    for key in ("callbacks", "use_best_model"):
        params["flat_params"].pop(key, None)
    metadata["params"] = json.dumps(params, sort_keys=True)
    metadata["model_guid"] = metadata["train_finish_time"] = ""
    metadata["training"] = "{}"
    estimator._set_test_evals([])  # an empty list for each set of rows; there is no other way to be rid of them


def _fit_net(estimator: Any, training: Rows, held_out: Rows, _: More) -> None:
    is_classifier = estimator.is_classifier
    name, predict = ("log_loss", estimator.predict_proba) if is_classifier else ("rmse", estimator.predict)
    labels = sorted(set(training[1])) if is_classifier else []

    def loss(rows: Rows) -> float:
        found = predict(rows[0])
        return log_loss(rows[1], found, labels) if is_classifier else root_mean_squared_error(rows[1], found)

    def report(epoch: int) -> None:
        log_metrics({name: loss(held_out), f"train_{name}": loss(training)}, epoch)

    estimator.fit(*training, after_epoch=report)


def _fit_sklearn(estimator: Any, training: Rows, held_out: Rows, more: More) -> None:
    """scikit-learn's can be asked for every stage when they are fitted."""
    estimator.fit(*training, **more)
    if hasattr(estimator, "staged_predict_proba"):
        labels = list(range(len(estimator.classes_)))
        name, staged = "log_loss", estimator.staged_predict_proba
        loss: Callable[[Any, Any], float] = lambda truth, scores: log_loss(truth, scores, labels)  # noqa: E731
    elif hasattr(estimator, "staged_predict"):
        name, staged, loss = "rmse", estimator.staged_predict, root_mean_squared_error
    else:
        return
    for step, learned, new in zip(count(), staged(training[0]), staged(held_out[0])):
        log_metrics({name: loss(held_out[1], new), f"train_{name}": loss(training[1], learned)}, step)


def _report(step: int, learned: dict[str, list[float]], new: dict[str, list[float]]) -> None:
    """The last of the values that a library keeps by its own name of the loss; other metrics are left out."""
    known = [name for name in new if name in _NAMES]
    log_metrics({_NAMES[name]: new[name][-1] for name in known}, step)
    log_metrics({f"train_{_NAMES[name]}": learned[name][-1] for name in known}, step)


_FITS = {"xgboost": _fit_xgboost, "catboost": _fit_catboost}
