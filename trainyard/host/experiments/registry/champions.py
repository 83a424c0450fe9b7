"""A new version against the champion: both scored on the same data, one of them the champion afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainyard.contract.champion_rule import PROMOTED, Decision, Rule, decide
from trainyard.contract.data_parts import MEASURED_ON
from trainyard.contract.files import read_json
from trainyard.host.engines.engine import Runner
from trainyard.host.experiments.registry.version_scores import Score, score_versions
from trainyard.host.experiments.registry.versions import Registry, Version
from trainyard.host.experiments.training import Training, metrics_of
from trainyard.host.support.reporter import Reporter

CANDIDATE = "candidate"
TRIES = 3  # where the champion is another one by the time that it is compared with

Scores = Callable[[Path], dict[str, Score]]  # of the candidate and of the champion, whose files lie in that folder


def contest(registry: Registry, candidate: Version, files: Path, rule: Rule, cache: Path, scores: Scores) -> Decision:
    """Make ``candidate`` the champion if the rule says so; its files lie in ``files``.

    Raises:
        TrackingError: the tracker does not answer; the champion is the one that it was.
    """
    decision = Decision(False, "")
    for _ in range(TRIES):
        champion = registry.find_version(candidate.name)
        if champion and champion.number == candidate.number:
            return Decision(True, "it is the champion already")
        decision = _compared(registry, candidate, champion, files, rule, cache, scores)
        if not decision.promoted or _number(registry.find_version(candidate.name)) == _number(champion):
            break
        decision = Decision(False, "the champion changed while it was compared")
    if decision.promoted:
        registry.set_champion(candidate)
    registry.annotate(candidate, {PROMOTED: str(decision.promoted).lower(), "reason": decision.reason})
    return decision


def scorer(training: Training, runner: Runner, folder: Path, files: Path, reporter: Reporter) -> Scores:
    """Scores in containers of the training's image; what they say is kept in ``folder``."""
    return lambda champion: score_versions(training, runner, folder, {CANDIDATE: files, "champion": champion}, reporter)


def _compared(
    registry: Registry, version: Version, champion: Version | None, files: Path, rule: Rule, cache: Path, scores: Scores
) -> Decision:
    if champion is None:
        return decide(rule, metrics_of(_record(files, version)), None)
    if not champion.record_sha256:
        registry.reporter.warn(
            f"version {champion.number}, the champion, was registered by a train function and cannot be scored here: "
            "compared by what both trainings have logged"
        )
        logged = registry.logged_metrics(champion)
        known = replace(rule, guards={name: guard for name, guard in rule.guards.items() if name in logged})
        return decide(known, metrics_of(_record(files, version)), logged)
    old_files = registry.download_version(champion, cache)
    found = scores(old_files)
    candidate, old = found[CANDIDATE], found["champion"]
    if candidate.problem and old.problem:
        records = _record(files, version), _record(old_files, champion)
        return _by_records(rule, *records, candidate.problem, registry.reporter)
    if candidate.problem:
        return Decision(False, f"it could not be scored: {candidate.problem}")
    if old.problem:
        return Decision(False, f"the champion (version {champion.number}) could not be scored: {old.problem}")
    return decide(rule, candidate.metrics, old.metrics)


def _by_records(rule: Rule, new: dict[str, Any], old: dict[str, Any], problem: str, reporter: Reporter) -> Decision:
    """By what both trainings have measured themselves, where that was on the same dataset."""
    if not new.get("dataset_sha256") or new["dataset_sha256"] != old.get("dataset_sha256"):
        return Decision(False, f"{problem}; and the champion was measured on another dataset")
    parts = [record.get(MEASURED_ON) for record in (new, old)]
    if None not in parts and parts[0] != parts[1]:
        return Decision(
            False, f"{problem}; it was measured on the {parts[0]} part, the champion on the {parts[1]} part"
        )
    reporter.warn(f"{problem}; compared by what the trainings have recorded, which was on the same dataset")
    return decide(rule, metrics_of(new), metrics_of(old))


def _record(files: Path, version: Version) -> dict[str, Any]:
    """The record among the files of a version, which were verified."""
    found: dict[str, Any] = read_json(files / version.record)[0]
    return found


def _number(version: Version | None) -> int:
    return version.number if version else 0
