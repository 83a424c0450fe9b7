"""The run of a project in MLflow, and the version that it registered: is that the champion?

A project that calls our ``auto_compare_and_register`` has settled that. The older service's copy of that function
registers what is not worse than the latest version, and knows no champion: then the contest is here, by the metric that
the project's parameters name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainyard.contract.champion_rule import CHAMPION, PREVIOUS, PROMOTED, Decision, decide
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.tracking.mlflow_client import Connection
from trainyard.host.experiments.tracking.mlflow_format import LONGEST_TAG, PARENT, cut
from trainyard.host.retrain.mlprojects.job import ProjectJob, ProjectRun
from trainyard.host.retrain.mlprojects.parameters import rule_of
from trainyard.host.retrain.mlprojects.project_file import MAIN
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked
from trainyard.host.support.reporter import Reporter

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

# As MLflow's own `mlflow run` has them.
_TAGS = {"mlflow.source.type": "PROJECT", "mlflow.project.entryPoint": MAIN}
_LOCK = Limit("LOCK_TIMEOUT", 600)
_LOCAL = ("/", "file:")  # how the address of artifacts begins that MLflow would mount into a container


def new_run(connection: Connection, job: ProjectJob) -> tuple[str, str]:
    """The ids of the run that the project logs to, with its parameters, and of its experiment.

    Raises:
        TrainyardError: the tracker does not answer; or it keeps artifacts in a folder that only its machine has.
    """
    from mlflow.entities import Param

    tags = {**_TAGS, "mlflow.source.name": job.project.name, **job.tags}
    with connection.speaking():
        experiment = connection.experiment(job.experiment)
        cut_tags = {name: cut(value, LONGEST_TAG) for name, value in tags.items() if value}
        run = connection.client.create_run(experiment, tags=cut_tags)
        connection.client.log_batch(run.info.run_id, params=[Param(*pair) for pair in job.values.items()])
    if job.project.image and run.info.artifact_uri.startswith(_LOCAL):
        with connection.speaking():
            connection.client.set_terminated(run.info.run_id, "FAILED")
        raise TrainyardError(
            f"the experiment {job.experiment} keeps its artifacts in a folder of the tracker's machine, "
            "which no container can reach",
            "use an experiment of a tracker that serves artifacts, as make track does",
        )
    return str(run.info.run_id), experiment


def set_killed(connection: Connection, run: str, reporter: Reporter, *, failed: bool = False) -> None:
    """End a run that does not go on. A tracker that fails as well costs a warning."""
    # MLflow itself may have seen the container end, before it was ended: then it has called a cancelled run failed.
    still = ("RUNNING", "SCHEDULED") if failed else ("RUNNING", "SCHEDULED", "FAILED")
    try:
        with connection.speaking():
            if connection.client.get_run(run).info.status in still:
                connection.client.set_terminated(run, "FAILED" if failed else "KILLED")
    except TrainyardError as error:
        reporter.warn(f"run {run} stays unfinished in the tracker: {error}")


def ended_run(connection: Connection, run: str, job: ProjectJob, locks: Path, reporter: Reporter) -> ProjectRun:
    """The run as the tracker has it, and the verdict on its version.

    Raises:
        TrainyardError: the tracker does not answer, or says that the run has failed.
    """
    with connection.speaking():
        found = connection.client.get_run(run)
        if found.info.status != "FINISHED":
            what = f"run {run} is {found.info.status.lower()} in the tracker, though its command has ended well"
            raise TrainyardError(what, "see its log", EXIT_FAILED)
        versions = _versions(connection, found)
    metrics = dict(found.data.metrics)
    if not versions:
        reporter.step(f"Run {run} of {job.experiment} registered no version")
        return ProjectRun(run, job.experiment, "finished", metrics)
    decided = []
    for one in sorted(versions, key=lambda one: (one.name, int(one.version))):
        with locked(locks / f"champion-{one.name}", f"the champion of {one.name}", _LOCK, reporter):
            decided.append((one, _decision(connection, job, one)))
    # Of several, as a search registers them, the last that became the champion is it.
    version, decision = next((pair for pair in reversed(decided) if pair[1].promoted), decided[-1])
    became = f"is the {CHAMPION}" if decision.promoted else f"is not the {CHAMPION}"
    reporter.step(f"Version {version.version} of {version.name} {became}: {decision.reason}")
    named = f"{version.name}/{version.version}"
    return ProjectRun(run, job.experiment, "finished", metrics, named, decision.promoted, decision.reason)


def _versions(connection: Connection, run: Any) -> list[ModelVersion]:
    """What the run, or one of the runs nested in it, has registered."""
    parent = f"tags.`{PARENT}` = '{run.info.run_id}'"
    nested = connection.client.search_runs([run.info.experiment_id], parent)
    ids = [run.info.run_id, *(one.info.run_id for one in nested)]
    return [one for each in ids for one in connection.client.search_model_versions(f"run_id = '{each}'")]


def _decision(connection: Connection, job: ProjectJob, found: ModelVersion) -> Decision:
    with connection.speaking():
        client = connection.client
        version = client.get_model_version(found.name, found.version)
        aliases = client.get_registered_model(found.name).aliases
        if PROMOTED in version.tags:  # our own function has decided
            return Decision(version.tags[PROMOTED] == "true", version.tags.get("reason", ""))
        rule, champion = rule_of(job.values), aliases.get(CHAMPION)
        if champion and not rule.metric:
            decision = Decision(False, "no parameter primary_metric says by which metric it would be compared")
        else:
            before = _metrics(connection, found.name, str(champion)) if champion else None
            decision = decide(rule, _metrics(connection, found.name, str(found.version)), before)
        tags = {PROMOTED: str(decision.promoted).lower(), "reason": decision.reason}
        if decision.promoted and champion:
            tags[PREVIOUS] = str(champion)
        for key, value in tags.items():
            client.set_model_version_tag(found.name, str(found.version), key, value)
        if decision.promoted:
            client.set_registered_model_alias(found.name, CHAMPION, str(found.version))
        return decision


def _metrics(connection: Connection, name: str, number: str) -> Mapping[str, float]:
    """What the version's run has logged; nothing where its run is gone."""
    from mlflow.exceptions import MlflowException

    run = connection.client.get_model_version(name, number).run_id
    try:
        return dict(connection.client.get_run(run).data.metrics) if run else {}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
