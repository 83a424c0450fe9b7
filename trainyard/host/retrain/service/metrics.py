"""What /metrics says, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trainyard.host.retrain.jobs.job import Job
from trainyard.host.retrain.jobs.job_store import JobStore

_BUCKETS = (1, 5, 10, 30, 60, 300, 1800, 7200, 86400)


class Metrics:
    """Counts what the service has seen since it was started; how many jobs there are is asked of the table."""

    def __init__(self, store: JobStore) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Jobs(store))
        self._ended = Counter(
            "trainyard_retrain_jobs_ended", "Jobs that are over", ["state", "trigger"], registry=self.registry
        )
        self._steps = Histogram(
            "trainyard_retrain_step_seconds", "Seconds that steps took", ["step"], buckets=_BUCKETS,
            registry=self.registry,
        )  # fmt: skip

    def ended(self, job: Job) -> None:
        """Count a job that is over."""
        self._ended.labels(job.state, job.trigger.partition(" ")[0]).inc()
        for step in job.steps:
            if step.ended:
                self._steps.labels(step.name).observe((step.ended - step.started).total_seconds())


class _Jobs(Collector):
    def __init__(self, store: JobStore) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("trainyard_retrain_jobs", "Jobs in the table", labels=["state"])
        for state, count in self._store.counts().items():
            family.add_metric([state], count)
        yield family
