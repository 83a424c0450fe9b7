"""make promote, make rollback: which version of a model is the champion."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainyard import console
from trainyard.champion_rule import Decision
from trainyard.errors import TrainyardError
from trainyard.experiments.registry.versions import CHAMPION, Registry
from trainyard.experiments.run_files import Run, find_run, runs_of
from trainyard.experiments.tracking.model_folder import has_model
from trainyard.model_dir import ModelDir
from trainyard.verbs.contest import contest, say
from trainyard.verbs.session import Session
from trainyard.verbs.tracking import open_registry
from trainyard.verbs.train import training_of, training_payload
from trainyard.verbs.versions import cache_of, name_of


def promote(session: Session, model: ModelDir) -> None:
    """Make a version the champion, if it is better: VERSION, or the model of the run ID, or of the latest run.

    FORCE=1 does so without comparing.
    """
    registry = open_registry(session)
    name = name_of(model)
    if session.commands.dry_run:
        _show(session, registry, model)
        return
    wanted = session.experiments.version
    if wanted:
        version = registry.version_of(name, wanted)
    else:
        version = registry.version_of(name, str(registry.register_version(_run(session, model))))
    if session.settings.force:
        registry.set_champion(version)
        decision = Decision(True, "by hand (FORCE=1)")
        registry.annotate(version, {"promoted": "true", "reason": decision.reason})
    else:
        files = registry.download_version(version, cache_of(session))
        training = training_of(session, model, training_payload(session, model))
        with _scratch(session) as folder:
            decision = contest(session, registry, version, files, training, folder)
    say(version, decision)


def rollback(session: Session, model: ModelDir) -> None:
    """Make the champion before the present one the champion again.

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
        console.result(f"make version {previous.number} of {name} the {CHAMPION} again, in place of {champion.number}")
        return
    registry.set_champion(previous, rollback=True)
    console.step(f"Version {previous.number} of {name} is the {CHAMPION} again, in place of version {champion.number}")


def _run(session: Session, model: ModelDir) -> Run:
    """The run that ID names, else the latest of this model that has kept its binary."""
    if wanted := session.experiments.run_id:
        return find_run([model.project], wanted, model.name)
    runs = [run for run in runs_of([model.project]) if isinstance(run, Run) and run.model == model.name]
    kept = [run for run in runs if run.status == "finished" and run.kind == "training" and has_model(run)]
    if not kept:
        raise TrainyardError(f"{model.name} has no finished run", "make train")
    return kept[-1]


def _show(session: Session, registry: Registry, model: ModelDir) -> None:
    """What a dry run says: nothing is registered, scored or moved."""
    name, wanted = name_of(model), session.experiments.version
    champion = registry.find_version(name)
    what = f"version {registry.version_of(name, wanted).number}" if wanted else f"run {_run(session, model).id}"
    against = f"version {champion.number}, the champion" if champion else "nothing: there is no champion yet"
    how = "without comparing" if session.settings.force else f"compared with {against}"
    console.result(f"{what} of {name} would be promoted, {how}")


@contextlib.contextmanager
def _scratch(session: Session) -> Iterator[Path]:
    session.repository.state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scoring-", dir=session.repository.state) as name:
        yield Path(name)
