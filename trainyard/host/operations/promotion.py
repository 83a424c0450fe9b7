"""Which version of a model is the champion."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from trainyard.contract.champion_rule import CHAMPION, PROMOTED, Decision, decide
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.registry.versions import Registry, Version, check_registrable, gone_back
from trainyard.host.experiments.run_files import Run, find_run, runs_of
from trainyard.host.experiments.tracking.model_folder import has_model
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.champion_contest import contest, say, verdict, write_down
from trainyard.host.operations.live_upload import upload_rest
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import training_of, training_payload
from trainyard.host.operations.training_data import data_of
from trainyard.host.operations.uploads import open_registry
from trainyard.host.operations.version_names import cache_of, name_of


def promote(session: Session, model: ModelDir) -> tuple[Version, Decision]:
    """Make a version the champion, if it is better: VERSION, or the model of the run ID, or of the latest run.

    FORCE=1 does so without comparing. The version, and why it is the champion.

    Raises:
        TrainyardError: it is not better, or cannot be compared.
    """
    version, decision = compete(session, model)
    if not decision.promoted:
        refused = f"version {version.number} of {version.name} is not the {CHAMPION}: {decision.reason}"
        raise TrainyardError(refused, "FORCE=1 makes it the champion without comparing", EXIT_FAILED)
    say(session, version, decision)
    return version, decision


def compete(session: Session, model: ModelDir) -> tuple[Version, Decision]:
    """The version that is meant, and whether it has become the champion, and why.

    Raises:
        TrainyardError: it cannot be compared.
    """
    registry = open_registry(session)
    version = _version(session, registry, model)
    if session.settings.force:
        registry.set_champion(version)
        decision = Decision(True, "by hand (FORCE=1)")
        registry.annotate(version, {PROMOTED: "true", "reason": decision.reason})
    else:
        files = registry.download_version(version, cache_of(session))
        training = training_of(session, model, data_of(session, model, training_payload(session, model)))
        with _scratch(session) as folder:
            decision = contest(session, registry, version, files, training, folder)
    if run := _run_of(session, model, version):
        write_down(session, run, verdict(version, decision))
    return version, decision


def rollback(session: Session, model: ModelDir) -> tuple[Version, Version]:
    """Make the champion before the present one the champion again, but for in a dry run; both, the new one first.

    Raises:
        TrainyardError: there is none before it.
    """
    registry = open_registry(session)
    name = name_of(model)
    champion, previous = registry.version_of(name), registry.previous_champion(name)
    if previous is None:
        raise TrainyardError(
            f"version {champion.number} of {name} has no champion before it", "make promote VERSION=..."
        )
    if session.commands.dry_run:
        return previous, champion
    registry.go_back(champion, previous)
    if run := _run_of(session, model, champion):
        tags = {name: value for name, value in run.tags.items() if name != PROMOTED}
        upload_rest(session, run.saved(tags={**tags, "reason": gone_back(previous)}))
    session.reporter.step(
        f"Version {previous.number} of {name} is the {CHAMPION} again, in place of version {champion.number}"
    )
    return previous, champion


def _run(session: Session, model: ModelDir) -> Run:
    """The run that ID names, else the latest of this model that has kept its binary."""
    if wanted := session.experiments.run_id:
        return find_run([model.project], wanted, session.reporter, model.name)
    runs = [
        run for run in runs_of([model.project], session.reporter) if isinstance(run, Run) and run.model == model.name
    ]
    kept = [run for run in runs if run.status == "finished" and run.kind == "training" and has_model(run)]
    if not kept:
        raise TrainyardError(f"{model.name} has no finished run", "make train")
    return kept[-1]


def _version(session: Session, registry: Registry, model: ModelDir) -> Version:
    """The version that is meant; that of a run is registered where it was not yet."""
    name, wanted = name_of(model), session.experiments.version
    return registry.version_of(name, wanted or str(registry.register_version(_run(session, model))))


def _run_of(session: Session, model: ModelDir, version: Version) -> Run | None:
    """The run that a version is of, where it is on this machine."""
    with contextlib.suppress(TrainyardError):
        found = find_run([model.project], version.run_id, session.reporter)
        return found if found.id == version.run_id else None
    return None


def expected(session: Session, model: ModelDir) -> str:
    """What ``promote`` would do, in a sentence: nothing is registered, scored or moved."""
    registry = open_registry(session)
    name, wanted = name_of(model), session.experiments.version
    champion = registry.find_version(name)
    if wanted:
        version = registry.version_of(name, wanted)
        what, metrics = f"version {version.number}", registry.logged_metrics(version)
        is_champion = CHAMPION in version.aliases
    else:
        run = _run(session, model)
        check_registrable(run)
        what, metrics = f"run {run.id}", run.metrics
        is_champion = champion is not None and champion.run_id == run.id
    if is_champion:
        return f"{what} of {name} is the {CHAMPION} already"
    if session.settings.force:
        return f"{what} of {name} would be promoted, without comparing"
    before = registry.logged_metrics(champion) if champion else None
    return f"{what} of {name} {_expected(model, metrics, before)}"


def _expected(model: ModelDir, metrics: Mapping[str, float], before: Mapping[str, float] | None) -> str:
    """What would come of a contest, as far as recorded metrics tell: an evaluate function measures others as well."""
    rule = read_config(model.path).rule
    basis = ""
    if before is not None:
        recorded = metrics.keys() & before.keys()
        if rule.metric not in recorded:
            return (
                f"would be compared with the {CHAMPION}: not both trainings have recorded {rule.metric or 'a metric'}"
            )
        unknown = [name for name in rule.guards if name not in recorded]
        rule = replace(rule, guards={name: guard for name, guard in rule.guards.items() if name in recorded})
        basis = f" (by what both trainings recorded{', without ' if unknown else ''}{', '.join(unknown)})"
    decision = decide(rule, metrics, before)
    return f"{'would be promoted' if decision.promoted else 'would not be promoted'}: {decision.reason}{basis}"


@contextlib.contextmanager
def _scratch(session: Session) -> Iterator[Path]:
    session.repository.state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scoring-", dir=session.repository.state) as name:
        yield Path(name)
