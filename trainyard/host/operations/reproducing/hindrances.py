"""What stands in the way of training a run again. Nothing is built for it, and no network is asked."""

from __future__ import annotations

from collections.abc import Iterator

from trainyard.errors import TrainyardError
from trainyard.host.engines import ENGINES
from trainyard.host.experiments.origin import UNCOMMITTED, UNKNOWN
from trainyard.host.experiments.parameters import TUNED
from trainyard.host.experiments.training import OWN, TRACKING
from trainyard.host.monorepo.commits import has_file, is_commit, missing_commit, submodules_in
from trainyard.host.monorepo.sources import SHARED
from trainyard.host.operations.reproducing.trained_run import TrainedRun
from trainyard.host.operations.session import Session

ANOTHER = "choose another run: make runs"
COMMIT_FIRST = "commit before you train, and the next run can be"


def hindrances(session: Session, trained: TrainedRun) -> list[TrainyardError]:
    """Each with the fix, as far as there is one; the data is asked elsewhere (``run_data``)."""
    of_session = (_of_commit, _of_lock, _of_engine)
    return [*_of_training(trained), *(problem for ask in of_session for problem in ask(session, trained))]


def engine_of(session: Session, trained: TrainedRun) -> str:
    """The engine that trains it again: ENGINE of the command line, else the run's own; that of today's session where it
    does not say."""
    if "ENGINE" in session.repository.overrides:
        return session.settings.engine
    return trained.run.tags.get("engine") or session.settings.engine or session.engine.name


def _of_training(trained: TrainedRun) -> Iterator[TrainyardError]:
    tags = trained.run.tags
    if tags.get(TRACKING) == OWN:
        what = "its train function tracks itself: it would log one more run to the tracker"
        yield TrainyardError(what, "train it there by hand")
    if tags.get("sources") == UNKNOWN:
        yield TrainyardError("its image was not built by make, so nobody knows of which sources it was", ANOTHER)
    elif not is_commit(trained.commit):
        yield TrainyardError("nobody knows the commit that it was trained from", COMMIT_FIRST)
    # Parameters are in the payload, so a file that has nothing else is not needed.
    elif tags.get("dirty") == "true" and tags.get(UNCOMMITTED) != f"{trained.place}/{TUNED}":
        named = f" ({tags[UNCOMMITTED]})" if UNCOMMITTED in tags else ""
        yield TrainyardError(f"it was trained with changes that no commit has{named}", COMMIT_FIRST)


def _of_commit(session: Session, trained: TrainedRun) -> Iterator[TrainyardError]:
    root, commit, place = session.repository.root, trained.commit, trained.place
    if not is_commit(commit):
        return
    if missing := missing_commit(root, commit):
        yield missing
        return
    project = place.rpartition("/")[0]
    if found := submodules_in(root, commit, [project, *SHARED]):
        what = f"its commit has submodules, which are not checked out with it: {', '.join(found)}"
        yield TrainyardError(what, "train it again by hand: git worktree add, git submodule update --init")
    elif not trained.is_of_a_model or not has_file(root, commit, f"{place}/Makefile"):
        what = f"commit {commit[:12]} has no {place}/Makefile"
        yield TrainyardError(what, "its sources are in a repository of their own, or were renamed: train there")


def _of_lock(session: Session, trained: TrainedRun) -> Iterator[TrainyardError]:
    if trained.lock(session.repository.root) is None:
        what = "the lock of its image was not kept, and the commit has another one"
        yield TrainyardError(what, "an older Trainyard trained it: what is trained now keeps its lock")


def _of_engine(session: Session, trained: TrainedRun) -> Iterator[TrainyardError]:
    name = engine_of(session, trained)
    if name not in ENGINES:
        yield TrainyardError(f"it was trained with the engine {name}, which nobody knows here", ANOTHER)
    elif reason := ENGINES[name](name, session.repository, session.settings, session.commands).unavailable():
        yield TrainyardError(f"it was trained with {name}: {reason}", "ENGINE=<another> on the command line tries that")
