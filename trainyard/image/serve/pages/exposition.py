"""The text that Prometheus reads (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from trainyard import __version__
from trainyard.image.serve.application import Application
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.prediction.page_values import presentable_text
from trainyard.image.serve.shared import kernel, meters
from trainyard.image.serve.shared.daemon_context import DaemonContext

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[str, dict[str, str], float]
Family = tuple[str, str, str, list[Sample]]  # name, type, help, samples
READY_HELP = "1 where the route's sample was predicted."
_OF_EACH = ("info", "generation")  # what groups of models have each, and not together

# Name, type, help, whether the board counts in millionths.
_COUNTED = (
    (meters.REQUESTS, "counter", "Requests answered, by route and status."),
    (meters.ROWS, "counter", "Rows predicted."),
    (meters.ERRORS, "counter", "Requests answered by an error, by kind."),
    (meters.DRIFT, "counter", "Values outside of what training saw, by column."),
    (meters.IN_FLIGHT, "gauge", "Calls of predict functions that run."),
)
_HISTOGRAMS = (
    (meters.REQUEST_SECONDS, "Seconds from a request's last byte to its answer."),
    (meters.BATCH_REQUESTS, "Requests that were predicted by one call."),
)


def families(application: Application) -> list[Family]:
    """All metrics of all processes of this daemon, as this worker sees them."""
    common = application.common
    assert common
    labelled = [_parse(name, total) for name, total in common.board.totals().items()]
    found: list[Family] = [
        (metric, kind, text, [sample for sample in labelled if sample[0] == metric and sample[2]])
        for metric, kind, text in _COUNTED
    ]
    found += [(metric, "histogram", text, list(_histogram(metric, labelled))) for metric, text in _HISTOGRAMS]
    return found + [
        (metric, "gauge", text, samples) for metric, text, samples in _gauges(common, application.endpoints)
    ]


def exposition(found: Sequence[Sequence[Family]], silent: Iterable[str] = ()) -> str:
    """The text; ``found`` are the families of this daemon and of other groups of models, which are added up.

    ``silent``: routes whose group does not answer.
    """
    texts: dict[str, tuple[str, str]] = {}
    samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    not_ready: list[Sample] = [("route_ready", {"route": path}, 0.0) for path in silent]
    for metric, kind, text, own in (*itertools.chain(*found), ("route_ready", "gauge", READY_HELP, not_ready)):
        texts.setdefault(metric, (kind, text))
        sums = samples.setdefault(metric, {})
        for name, labels, value in own:
            key = name, tuple(labels.items())
            sums[key] = max(sums.get(key, 0.0), value) if metric in _OF_EACH else sums.get(key, 0.0) + value
    lines: list[str] = []
    for metric, (kind, text) in texts.items():
        lines += _family(metric, kind, text, [(name, dict(labels), n) for (name, labels), n in samples[metric].items()])
    return "\n".join(lines) + "\n"


def _gauges(common: DaemonContext, endpoints: Sequence[Endpoint]) -> Iterator[tuple[str, str, list[Sample]]]:
    state = common.board.read_state()
    rows = [row for row in common.board.rows() if row.pid > 0]
    active = sum(max(row.active - 1, 0) for row in rows)
    memory = sum(kernel.resident_bytes(row.pid) for row in rows)
    workers = sum(row.active > 0 for row in rows)
    yield "info", "This server.", [("info", {"version": __version__}, 1)]
    yield "workers", "Worker processes that take connections.", [("workers", {}, workers)]
    yield "connections", "Connections with a request in the last second.", [("connections", {}, active)]
    yield "memory_bytes", "Memory of all processes: sum of PSS.", [("memory_bytes", {}, memory)]
    yield "generation", "How often models were loaded.", [("generation", {}, state.accepted)]
    yield (
        "route_ready",
        READY_HELP,
        [("route_ready", {"route": endpoint.route.path}, float(not endpoint.reason)) for endpoint in endpoints],
    )
    yield (
        "model_refused",
        "1 where a newer model was refused.",
        [("model_refused", {"route": path}, 1) for path in state.refused],
    )
    yield (
        "model_info",
        "The models that answer.",
        [
            ("model_info", {"route": endpoint.route.path, "model": model.name, "version": model.version}, 1)
            for endpoint in endpoints
            for model in endpoint.models
        ],
    )
    yield (
        "model_age_seconds",
        "Seconds since the model was trained.",
        [
            ("model_age_seconds", {"route": endpoint.route.path, "model": model.name}, age)
            for endpoint in endpoints
            for model in endpoint.models
            if (age := _age(model.record)) is not None
        ],
    )


def _age(record: dict[str, Any]) -> float | None:
    """Since the end of the training, in seconds; None where the record does not say when that was."""
    try:
        return time.time() - datetime.fromisoformat(str(record.get("finished"))).timestamp()
    except (ValueError, OverflowError):
        return None


def _histogram(metric: str, samples: Sequence[Sample]) -> Iterator[Sample]:
    """Buckets are cumulative; those of a route that has counted nothing are left out."""
    by_route: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample[0] == f"{metric}_bucket":
            by_route.setdefault(sample[1]["route"], []).append(sample)
    sums = {sample[1]["route"]: sample[2] for sample in samples if sample[0] == f"{metric}_sum"}
    for route, buckets in by_route.items():
        total = 0.0
        if not any(value for _, _, value in buckets):
            continue
        for name, labels, value in buckets:
            total += value
            yield name, labels, total
        yield f"{metric}_sum", {"route": route}, sums[route] / meters.MICRO
        yield f"{metric}_count", {"route": route}, total


def _parse(name: str, total: int) -> Sample:
    metric, *labels = name.split("\t")
    return metric, dict(zip(labels[::2], labels[1::2], strict=False)), total


def _family(metric: str, kind: str, text: str, samples: Iterator[Sample] | Sequence[Sample]) -> Iterator[str]:
    written = [_line(*sample) for sample in samples]
    if written:
        yield f"# HELP trainyard_{metric} {text}"
        yield f"# TYPE trainyard_{metric} {kind}"
        yield from written


def _line(name: str, labels: dict[str, str], value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"trainyard_{name}{{{shown}}} {value:.10g}" if shown else f"trainyard_{name} {value:.10g}"


def _escaped(text: str) -> str:
    return presentable_text(text).replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
