"""The session in which a job works: a checkout, with what this machine has installed, and with limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.run_files import FOLDER as RUNS
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.tracking.tracker import chosen_tracker
from trainyard.host.monorepo.repository import Repository
from trainyard.host.operations.live_upload import tracker_of, uploader_to
from trainyard.host.operations.session import Session
from trainyard.host.operations.uploads import upload_runs

STOP_SECONDS = 3  # that a container of a job gets to end: a job that is cancelled is over within 5


def image_name(job_id: str) -> str:
    """The CONTAINER_NAME of what a job builds: the names of other images stay where they lead."""
    return f"trainyard-retrain-{job_id}"


def session_in(session: Session, root: Path, job_id: str, tags: Mapping[str, str], compute: str = "") -> Session:
    """A session of the checkout at ``root``, which trains on ``compute``. Its state is that of the service's own
    monorepo, so that nothing is installed twice; its tracker is the service's."""
    tracker = chosen_tracker(session.experiments, session.repository.root)
    uri = session.experiments.tracking_uri or (tracker.uri if tracker else "")
    repository = Repository(root, {"CONTAINER_NAME": image_name(job_id)}, session.repository.state.parent)
    settings = replace(
        session.settings, build=True, force=False, bake=False, payload="", hardened=True, stop_timeout=STOP_SECONDS
    )
    given = replace(session.experiments, description="", tracking_uri=uri)
    computing = replace(session.computing, compute=compute)
    return replace(session, repository=repository, settings=settings, given=given, given_computing=computing, tags=tags)


def check_tracker(session: Session) -> None:
    """Raises:
    TrainyardError: no tracker runs, or it does not answer: what is trained could not be registered."""
    tracker = chosen_tracker(session.experiments, session.repository.root)
    if tracker is None:
        raise TrainyardError(
            "no tracker runs", "start it: make track DETACH=1, or name one: TRACKING_URI=", EXIT_FAILED
        )
    connection = uploader_to(session, tracker).connection
    if not connection.answers():
        raise TrainyardError(f"the tracker {tracker.shown} does not answer", "start it, and retry the job", EXIT_FAILED)


def stop_containers(there: Session, job_id: str) -> None:
    """Stop what trains, or is scored."""
    image = f"{image_name(job_id)}-train"
    for run in there.repository.root.glob(f"projects/*/{RUNS}/*"):
        short = run.name.rpartition("-")[2]
        for name in (f"{image}-{short}", f"{image}-score-{short}"):
            there.engine.runner.stop(name)


def close_runs(there: Session, job_id: str) -> None:
    """Runs of the job whose process was killed are over: the tracker hears it, too."""
    found = runs_of(sorted(there.repository.root.glob("projects/*")), there.reporter)  # reading one writes it down
    killed = [run for run in found if isinstance(run, Run) and run.tags.get("job") == job_id and run.status == "killed"]
    if killed and (tracker := tracker_of(there)):
        upload_runs(there, tracker, killed)


def remove_image(there: Session, job_id: str) -> None:
    """Remove the train image; what it was built on stays for the next job."""
    there.engine.images.remove(f"{image_name(job_id)}-train")
