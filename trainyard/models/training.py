"""The frame of a train function: what the message asks for, a reproducible fit, measuring, saving.

A train function stays a list of its author's choices: dataset, columns, estimator, parameters. Classes reach the
estimator as 0, 1, ... in the order of the bundle's ``labels``, which every library accepts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from trainyard.contract.data_parts import MEASURE_ON, TEST, VALIDATION
from trainyard.errors import TrainyardError
from trainyard.models import runs
from trainyard.models.binaries import MODELS, check_model_name, check_saveable, save_model
from trainyard.models.compiled import load_compiled
from trainyard.models.compiling import compile_model
from trainyard.models.evaluation import evaluate
from trainyard.models.metrics import Metrics, classification_metrics, regression_metrics
from trainyard.models.predicting import CLASSIFICATION, REGRESSION, classify, estimate
from trainyard.models.rounds import fit_by_rounds
from trainyard.models.tables import Table
from trainyard.models.typed_encoder import fit_encoder
from trainyard.models.warm_start import earlier_rounds

SAMPLE_ROWS = 3


@dataclass(frozen=True)
class Job:
    """What a training was asked for; ``part`` of the dataset is what it measures on."""

    dataset: Path
    model_name: str
    params: dict[str, Any]
    part: str = TEST


def read_job(msg: Mapping[str, Any], defaults: Mapping[str, Any]) -> Job:
    """The job that the message describes: ``$ref``, ``model_name``, ``measure_on``, ``params`` over ``defaults``.

    Raises:
        TrainyardError: one of the first two is missing, ``measure_on`` is no part of a dataset, or a parameter is
            unknown or of another type than its default.
    """
    payload = msg.get("payload")
    if not isinstance(payload, Mapping) or not isinstance(payload.get("$ref"), str):
        raise TrainyardError("the payload names no dataset", 'give {"$ref": "data/<file>.csv", "model_name": "<name>"}')
    if "$test_ref" in payload:
        say(f"{payload['$test_ref']} is not read: this model measures on rows that it holds out of its training set")
    wanted = payload.get("params") or {}
    if not isinstance(wanted, Mapping):
        raise TrainyardError("params in the payload is not an object", 'give "params": {"<name>": <value>}')
    part = payload.get(MEASURE_ON, TEST)
    if part not in (TEST, VALIDATION):
        raise TrainyardError(f"{MEASURE_ON} in the payload is {part!r}", f'give "{TEST}" or "{VALIDATION}"')
    for name, value in wanted.items():
        _check_param(name, value, defaults)
    return Job(Path(payload["$ref"]), check_model_name(payload.get("model_name")), {**defaults, **wanted}, part)


def fit_classifier(estimator: Any, training: Table, *, scale: bool, held_out: Table | None = None) -> dict[str, Any]:
    """Fit ``estimator`` to classes; the bundle that ``trainyard.models.predicting.classify`` takes.

    Where it is fitted in rounds and ``held_out`` is given, the run gets the loss after each (`rounds`).

    Raises:
        TrainyardError: all rows are of one class.
    """
    labels = sorted(set(training.labels))
    if len(labels) < 2:
        raise TrainyardError(f"{training.path}: every row has the label {labels[0]!r}", "two classes are needed")
    return {**_fit(estimator, training, held_out, scale, CLASSIFICATION, labels), "labels": labels}


def fit_regressor(estimator: Any, training: Table, *, scale: bool, held_out: Table | None = None) -> dict[str, Any]:
    """Fit ``estimator`` to numbers; the bundle that ``trainyard.models.predicting.estimate`` takes."""
    return _fit(estimator, training, held_out, scale, REGRESSION)


def measure(model: Mapping[str, Any], held_out: Table) -> Metrics:
    """The metrics on rows that the model has not seen, predicted as a request would be; printed one per line.

    A run also gets what its report is drawn from.
    """
    if model["task"] == CLASSIFICATION:
        outcome = classify(model, held_out.rows)["scores"]
        metrics = classification_metrics(held_out.labels, outcome, model["labels"])
    else:
        outcome = estimate(model, held_out.rows)["predictions"]
        metrics = regression_metrics([float(label) for label in held_out.labels], outcome)
    for name, value in metrics.items():
        say(f"{name} {value:.4f}")
    if runs.is_run():
        _leave_evaluation(model, held_out, outcome)
    return metrics


def save(job: Job, model: Mapping[str, Any], held_out: Table, *, native: bool = False) -> dict[str, Any]:
    """Measure the model, write its binary and its record, and give the result that a train function returns.

    ``native``: write no pickle and no compiled form, but the file of the estimator's own library (``native_files``).
    """
    metrics = measure(model, held_out)
    say(f"measured on the {job.part} part: {len(held_out.rows)} rows")
    facts = {
        "metrics": metrics,
        "measured_on": job.part,
        "params": job.params,
        "dataset": job.dataset,
        "task": model["task"],
        "columns": list(held_out.columns),
        "labels": model.get("labels"),
        "schema": model["encoder"].schema(),
    }
    if native:
        return _save_native(job, model, held_out.rows[:SAMPLE_ROWS], facts)
    compiled = compile_model(model, held_out.rows)
    served = load_compiled(compiled.content) if compiled.content else model
    size = len(compiled.content)
    say(f"compiled ({size / 1e6:.1f} MB)" if size else f"not compiled: {compiled.facts['refused']}")
    sample = _sample(served, held_out.rows[:SAMPLE_ROWS])
    record = save_model(model, job.model_name, sample=sample, compiled=compiled, **facts)
    return {"model": str(MODELS / f"{job.model_name}.pkl"), "sha256": record["sha256"], "metrics": metrics}


def _save_native(job: Job, model: Mapping[str, Any], rows: list[Any], facts: dict[str, Any]) -> dict[str, Any]:
    from trainyard.models.native_files import write_native, write_native_record

    sample = _sample(write_native(MODELS, job.model_name, model), rows)
    if sample != _sample(model, rows):
        raise TrainyardError("the library's own file answers otherwise than the model", "save without native=True")
    write_native_record(MODELS, job.model_name, {**facts, "model_name": job.model_name, "sample": sample})
    return {"model": job.model_name, "metrics": facts["metrics"]}


def _sample(model: Mapping[str, Any], instances: list[Any]) -> dict[str, Any]:
    answer = classify(model, instances) if model["task"] == CLASSIFICATION else estimate(model, instances)
    return {"instances": instances, **answer}


def say(line: str) -> None:
    """Print one line of progress at once, so that it is seen while the next step runs."""
    print(line, flush=True)  # noqa: T201 -- what training prints is its interface


def _leave_evaluation(model: Mapping[str, Any], held_out: Table, outcome: Any) -> None:
    try:
        runs.write_evaluation(evaluate(model, held_out, outcome))
    except Exception as error:  # noqa: BLE001 -- of any library; a picture is no reason to lose a training
        say(f"no pictures for the report: {type(error).__name__}: {error}")


def _fit(
    estimator: Any, training: Table, held_out: Table | None, scale: bool, task: str, labels: Sequence[Any] = ()
) -> dict[str, Any]:
    check_saveable(estimator)  # before it takes an hour
    encoder = fit_encoder(training.rows, training.columns, training.kinds, scale=scale)
    index = {label: i for i, label in enumerate(labels)}

    def encoded(table: Table) -> tuple[Any, list[Any]]:
        targets = [index[label] for label in table.labels] if index else table.labels
        return encoder.transform(table.rows), targets

    features, targets = encoded(training)
    if (earlier := earlier_rounds(estimator, encoder, task, labels)) is not None:
        say("going on from the base model: its rounds stay, and those of this training are added")
    say(f"fitting {type(estimator).__name__} to {features.shape[0]} rows of {features.shape[1]} features")
    start = time.perf_counter()
    # One thread: sums in another order round otherwise, and the binary would depend on the number of cores.
    with threadpool_limits(limits=1):
        measured = encoded(held_out) if held_out and runs.is_run() else None
        fit_by_rounds(estimator, features, targets, measured, earlier)
    say(f"fitted in {time.perf_counter() - start:.1f} s")
    return {"task": task, "encoder": encoder, "estimator": estimator}


def _check_param(name: str, value: Any, defaults: Mapping[str, Any]) -> None:
    if name not in defaults:
        raise TrainyardError(f"unknown parameter {name!r} in the payload's params", f"known: {', '.join(defaults)}")
    default = defaults[name]
    both_numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (value, default))
    if not both_numbers and type(value) is not type(default) and None not in (value, default):
        raise TrainyardError(f"parameter {name!r} is {value!r}", f"give a value like its default, {default!r}")
