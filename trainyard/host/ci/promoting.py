"""make ci-promote: what was trained for a branch competes with the champion once it is merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from trainyard.contract.champion_rule import CHAMPION, PROMOTED
from trainyard.errors import TrainyardError
from trainyard.host.ci.base_commit import base_commit
from trainyard.host.ci.branch import results_in
from trainyard.host.ci.model_news import TRAINED_FOR
from trainyard.host.ci.one_by_one import Done, done
from trainyard.host.experiments.parameters import TUNED
from trainyard.host.monorepo.commits import missing_commit
from trainyard.host.monorepo.revision import differ
from trainyard.host.operations.live_upload import is_tracked
from trainyard.host.operations.promotion import compete
from trainyard.host.operations.session import Session
from trainyard.host.operations.uploads import open_registry
from trainyard.host.operations.version_names import name_of


def promote_trained(session: Session) -> Iterator[Done]:
    """The contest of each model by the version that was trained for its newest results in the history of HEAD, or since
    SINCE. One that has competed before does not do so again, and one that fails stops no other.

    Raises:
        TrainyardError: git does not say what there is; or there are results, and no tracker.
    """
    root, since = session.repository.root, session.settings.since
    base = f"{base_commit(root, since)}.." if since.strip("0") else ""
    asked = {name: one.asked_by for one in results_in(root, f"{base}HEAD") for name in one.models}
    there = {f"{path.parent.name}/{path.name}": path for path in session.repository.every_model_path()}
    if asked.keys() & there.keys() and not is_tracked(session):
        raise TrainyardError("there is no tracker, which has the versions", "say TRACKING_URI=<URL of MLflow>")
    for name in sorted(asked.keys() & there.keys()):
        one = done(session.reporter, name, partial(_verdict, session, there[name], asked[name]))
        if one.shown or one.error:
            yield one


def _verdict(session: Session, path: Path, asking: str) -> str:
    """Empty where the version has competed before."""
    model = session.repository.model(path)
    versions = open_registry(session).versions_of(name_of(model))
    version = next((one for one in versions if one.tags.get(TRAINED_FOR) == asking), None)
    if version is None:
        missing = f"there is no version that was trained for {asking[:12]}"
        return f"{model.name}: {missing}: its training had another tracker, or none"
    if PROMOTED in version.tags or CHAMPION in version.aliases:
        return ""
    sources = [path for path in model.path.iterdir() if path.name != TUNED]
    if not missing_commit(model.root, asking) and differ(asking, sources):
        session.reporter.warn(f"{model.name} was changed after its training for {asking[:12]}")
    number = str(version.number)
    if session.commands.dry_run:
        return f"{model.name}: version {number} would compete with the {CHAMPION}"
    _, decision = compete(session.but(given=replace(session.experiments, version=number)), model)
    return f"{model.name}: version {number} {'is' if decision.promoted else 'is not'} the {CHAMPION}: {decision.reason}"
