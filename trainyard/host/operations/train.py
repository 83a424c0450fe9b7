"""Train a model: what it is given, the run, what the run says at the end."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from trainyard.contract.routes import came_trained
from trainyard.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_KILLED, AlreadyPrinted, TrainyardError
from trainyard.host.compute.compute_file import read_computes
from trainyard.host.engines.base import Mount
from trainyard.host.experiments.config import FILE as CONFIG
from trainyard.host.experiments.origin import Origin
from trainyard.host.experiments.parameters import TUNED, defaults_of, environment_of, read_tuned, unread_of, with_params
from trainyard.host.experiments.report import DrawnAhead
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.training import Training, carry_out, show_only, start_run
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.revision import DIRTY, differ
from trainyard.host.operations.build import LABEL_REVISION
from trainyard.host.operations.dvc_notes import keep_for_dvc, warn_of_old_pipeline
from trainyard.host.operations.image_to_run import ImageToRun, image_to_run
from trainyard.host.operations.live_upload import is_tracked, tracked
from trainyard.host.operations.mounts import models_folder
from trainyard.host.operations.on_compute.stored_data import stored_data
from trainyard.host.operations.on_compute.training import runner_of
from trainyard.host.operations.own_tracking import with_own_tracking
from trainyard.host.operations.payloads import given_payload
from trainyard.host.operations.reports import try_to_report
from trainyard.host.operations.session import Session
from trainyard.host.operations.training_data import TrainingData, data_of, mounted, record_of


def train(session: Session, model: ModelDir) -> Run | None:
    """Run the train image: a binary and its record in the project's models/, and a run in its runs/, which is returned;
    None in a dry run, and of a model that came trained.

    Raises:
        TrainyardError: as ``train_as_run``; or the payload or a setting cannot be used, and nothing was started.
    """
    session.repository.check_names(model)
    if came_trained(model.environment):
        session.reporter.step(f"{model.name} came trained: there is nothing to train")
        return None
    data = data_of(session, model, training_payload(session, model))
    training = with_own_tracking(session, training_of(session, model, data))
    if session.experiments.base_model:
        # The registry's client takes a second to import.
        from trainyard.host.operations.base_model import with_base_model

        training = with_base_model(session, training)
    if session.commands.dry_run:
        show_only(training, runner_of(session, training))
        return None
    run = train_as_run(session, training)
    keep_for_dvc(session, model)
    warn_of_old_pipeline(session, model.project)
    return run


def training_payload(session: Session, model: ModelDir) -> dict[str, Any]:
    """The default payload with its parameters, and PAYLOAD over it."""
    tuned = read_tuned(model)
    if tuned and not session.commands.dry_run:
        session.reporter.step(f"Parameters of {session.short(model.path / TUNED)} (make tune wrote it)")
    return with_params(own_payload(session, model), defaults_of(model), tuned)


def own_payload(session: Session, model: ModelDir) -> dict[str, Any]:
    """The default payload without the parameters of any file, and PAYLOAD over it."""
    return {"$ref": model.dataset_name, "model_name": model.model_name} | given_payload(session)


def training_of(session: Session, model: ModelDir, data: TrainingData) -> Training:
    """What to train; its image is built first, where it is missing or not of today's sources, then data is fetched."""
    if unread := unread_of(model):
        session.reporter.warn(unread)
    compute = session.computing.compute
    if compute:
        read_computes(session.repository.root).find(compute)
    image = image_to_run(session, model, "train")
    if compute and not session.commands.dry_run:
        session.engine.images.exported(image.name, image.id)  # an engine whose images nobody else can run says so
    there = stored_data(session, data)
    datasets, here = (None, None) if there else mounted(session, model, data)
    models = Mount("models", models_folder(session, model.project))
    mounts = (datasets, models) if datasets else (models,)
    described = {"description": session.experiments.description} if session.experiments.description else {}
    # A tracker shall have the model later, too, when models/ holds another one.
    origin = origin_of(session, model, image)
    tags, hardened = {**session.tags, **described, **data.tags}, session.settings.hardened
    jobs = {"TRAINYARD_JOBS": str(session.settings.jobs)} if session.settings.jobs > 1 else {}
    named = {"TRAINYARD_DATA": record} if (record := record_of(data)) else {}
    environment = {**environment_of(model), **jobs, **named}
    return Training(
        model, origin, data.payload, mounts, tags, "", True, environment, hardened, there or here,
        compute=compute,
    )  # fmt: skip


def origin_of(session: Session, model: ModelDir, image: ImageToRun) -> Origin:
    """The commit is that of the work tree only where the image is of its sources; else what the image says."""
    if image.found is None or session.commands.dry_run:
        return Origin(image.name, commit=session.repository.commit([model]))
    of_image, engine = image.found.labels.get(LABEL_REVISION, ""), session.engine.name
    origin = Origin(image.name, image.found.id, image.found.identity, of_image, of_image, image.sources, engine)
    if image.sources == "same":
        commit = session.repository.commit([model])
        changes = tuple(session.repository.uncommitted([model])) if commit.endswith(DIRTY) else ()
        return replace(origin, commit=commit, changes=changes)
    return origin.with_changes() if of_image and _has_other_parameters(model, of_image) else origin


def _has_other_parameters(model: ModelDir, commit: str) -> bool:
    """Whether the files that parameters are read from, which are in no image, differ from those of a commit."""
    return differ(commit.removesuffix(DIRTY), [model.path / CONFIG, model.path / TUNED])


def train_as_run(session: Session, training: Training) -> Run:
    """Train, and where there is a tracker compare with the champion; the run, finished.

    Raises:
        TrainyardError: as ``trained``.
    """
    return tracked_and_compared(session, training, trained(session, training))


def tracked_and_compared(session: Session, training: Training, run: Run) -> Run:
    """What becomes of a run that has finished: where there is a tracker, it competes with the champion."""
    session.reporter.step(f"Run {run.id}: make run-show ID={run.id}")
    if not is_tracked(session) or training.tracks_itself:
        return run
    # The registry's client takes a second to import.
    from trainyard.host.operations.champion_contest import compete

    return compete(session, training, run)


def trained(session: Session, training: Training, submitted: Run | None = None) -> Run:
    """Train; the run, finished, its report drawn, and uploaded where there is a tracker. ``submitted``: a run that is
    on a compute already.

    Raises:
        LeftRunning: it goes on on its compute.
        AlreadyPrinted: it failed, and the runner in the container has printed why.
        TrainyardError: it failed for another reason; or TRACKING_URI is no URL, and nothing has happened.
    """
    uploads = is_tracked(session) and not training.tracks_itself
    run = submitted or start_run(training)
    with tracked(session, run) if uploads else contextlib.nullcontext() as live:  # which uploads the report, too
        with DrawnAhead(run, session.reporter) as drawn:
            run, status = carry_out(
                training,
                run,
                runner_of(session, training),
                session.repository,
                session.reporter,
                live.on_points if live else None,
            )
        if run.status == "finished":
            try_to_report(session, run, drawn)
            return run
    if status in (EXIT_FAILED, EXIT_BAD_INPUT):
        raise AlreadyPrinted(run.error, exit_code=status)
    if status:
        more = "resources.memory in compute.yaml" if training.compute else "TRAIN_MEMORY"
        hint = f"if its memory ran out, {more} allows more" if status == EXIT_KILLED else ""
        raise TrainyardError(f"training {training.model.name} was ended (status {status})", hint, EXIT_FAILED)
    missing = f"the training of {training.model.name} wrote no models/{training.model_name}.pkl"
    fix = f"let the train function write it, or other files whose names begin with {training.model_name}"
    raise TrainyardError(missing, fix, EXIT_FAILED)
