"""What make train and make promote do with a new version: it is compared with the champion."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainyard.contract.champion_rule import CHAMPION, PROMOTED, Decision
from trainyard.errors import TrainyardError
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.registry import champions
from trainyard.host.experiments.registry.version_scores import Score
from trainyard.host.experiments.registry.versions import Registry, Version
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.tracking.model_folder import link_kept_files
from trainyard.host.experiments.training import Training
from trainyard.host.operations.live_upload import tracker_of, upload_rest
from trainyard.host.operations.on_compute.stored_data import with_data_here
from trainyard.host.operations.session import Session
from trainyard.host.operations.uploads import open_registry
from trainyard.host.operations.version_names import cache_of, name_of
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked


def compete(session: Session, training: Training, run: Run) -> Run:
    """After a training, where there is a tracker: its model becomes a version, and the champion if it is better.

    A tracker that fails costs nobody a training: the run is there, and make promote does it later.
    """
    if tracker_of(session) is None:
        return run
    try:
        return register(session, training, run)
    except TrainyardError as error:  # the tracker's, or there is no client for it
        session.reporter.warn(f"{error}; run {run.id} is not registered: make promote ID={run.id} does it later")
        return run


def register(session: Session, training: Training, run: Run) -> Run:
    """A run's model becomes a version, and the champion if it is better; the run, with what came of it as tags. With
    PROMOTE=0 it does not compete.

    Raises:
        TrainyardError: the tracker does not answer or refuses, or there is no client for it.
    """
    registry = open_registry(session)
    number = registry.register_version(run, session.tags)
    version = registry.version_of(name_of(training.model, run.model_name), str(number))
    if not session.experiments.promote:
        how = f"make promote VERSION={number} lets it"
        session.reporter.step(f"Version {number} of {version.name} does not compete with the {CHAMPION}: {how}")
        return write_down(session, run, {"version": str(number)})
    with kept_apart(session, run) as files:
        decision = contest(session, registry, version, files, training, run.folder)
    say(session, version, decision)
    return write_down(session, run, verdict(version, decision))


def verdict(version: Version, decision: Decision) -> dict[str, str]:
    """What came of a version, as tags of its run."""
    return {"version": str(version.number), PROMOTED: str(decision.promoted).lower(), "reason": decision.reason}


def write_down(session: Session, run: Run, tags: Mapping[str, str]) -> Run:
    """The run, with more tags, here and in the tracker."""
    run = run.saved(tags={**run.tags, **tags})
    upload_rest(session, run)
    return run


@contextlib.contextmanager
def kept_apart(session: Session, run: Run) -> Iterator[Path]:
    """The files of the run's model, where no container can change them.

    Raises:
        TrainyardError: one cannot be read, or is none.
    """
    session.repository.state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="contest-", dir=session.repository.state) as folder:
        try:
            link_kept_files(run, Path(folder))
        except OSError as error:
            raise TrainyardError(f"{error.filename}: {error.strerror}", "train again") from None
        yield Path(folder)


def contest(
    session: Session, registry: Registry, version: Version, files: Path, training: Training, folder: Path
) -> Decision:
    """Whether ``version`` becomes the champion; one contest of a model at a time on this machine."""
    rule = read_config(training.model.path).rule

    def scores(champion: Path) -> dict[str, Score]:
        here = with_data_here(session, training)
        return champions.scorer(here, session.engine.runner, folder, files, session.reporter)(champion)

    lock = session.repository.state / "locks" / f"champion-{version.name}"
    limit = Limit("LOCK_TIMEOUT", session.settings.lock_timeout)
    with locked(lock, f"the champion of {version.name}", limit, session.reporter):
        return champions.contest(registry, version, files, rule, cache_of(session), scores)


def say(session: Session, version: Version, decision: Decision) -> None:
    """What came of it."""
    became = f"is the {CHAMPION}" if decision.promoted else f"is not the {CHAMPION}"
    session.reporter.step(f"Version {version.number} of {version.name} {became}: {decision.reason}")
