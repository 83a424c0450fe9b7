"""``make package``: train, pack what came of it, put it into the place of results. What was done is not done again."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.contract.routes import came_trained
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.pushing import plan as push_plan
from trainyard.host.data.pushing import push
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.run_files import Run, runs_of
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.packaging.code_archive import folder_of
from trainyard.host.operations.packaging.kept_packages import LATEST, package_of
from trainyard.host.operations.packaging.package_files import LOG, Package, pack
from trainyard.host.operations.packaging.package_inputs import inputs_of
from trainyard.host.operations.packaging.places import Place, open_place
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import train
from trainyard.host.support.command import Limit
from trainyard.host.support.locking import locked

TAG = "package_inputs"  # of a run: a digest over what it was made from
_UPLOADED = "uploaded.json"  # in the folder of a package: where it is


def package(session: Session, model: ModelDir) -> Package | None:
    """Train, unless a run of the same sources and data has finished and was not packed or uploaded yet; then pack and
    upload. None in a dry run.

    Raises:
        TrainyardError: as ``train``; or the results cannot be put into their place: the next call goes on there.
        OSError: the package cannot be written.
    """
    if came_trained(model.environment):
        raise TrainyardError(f"{model.name} came trained: there is nothing to train", "make predict serves it")
    section = read_config(model.path).training
    results = _results(session, section)
    if session.commands.dry_run:
        train(session, model)
        _show(session, model, section)
        return None
    limit = Limit("LOCK_TIMEOUT", session.settings.lock_timeout)
    name = model.name.replace("/", "-")
    with locked(session.repository.state / "locks" / f"package-{name}", f"packages of {model.name}", limit,
                session.reporter):  # fmt: skip
        return _package(session, model, section, results)


def _package(session: Session, model: ModelDir, section: TrainingSection, results: Place | None) -> Package:
    inputs = inputs_of(session, model)
    run = _to_go_on_with(session, model, inputs, results)
    if run:
        session.reporter.step(f"Run {run.id} has trained on this already, and was not packed to the end: it goes on")
    else:
        run = train(session.tagged({TAG: inputs}), model)
        if run is None:  # a dry run, which does not come here
            raise TrainyardError(f"{model.name}: nothing was trained", "make train", EXIT_FAILED)
    found = package_of(session, model, run.id)
    if not found.archive.is_file():
        shutil.rmtree(found.folder, ignore_errors=True)
        with session.reporter.waiting(f"Packing {found.archive.name} ..."):
            pack(run, section, found)
    session.reporter.step(f"{session.short(found.folder)} has {found.archive.name} and {LOG}")
    if results:
        _upload(session, found, results)
    else:
        session.reporter.step("config.yaml names no training.results: the package stays here; make configure names it")
    return found


def _results(session: Session, section: TrainingSection) -> Place | None:
    """The place of results, which answers: a training of hours shall not find out later that it does not."""
    if not section.results:
        return None
    if session.commands.dry_run:
        return None
    place = open_place(session, section.results_ref)
    place.check_writable()
    if not place.is_made():
        raise TrainyardError(f"{place.ref}: {place.url} is not there", "make prepare makes it")
    return place


def _to_go_on_with(session: Session, model: ModelDir, inputs: str, results: Place | None) -> Run | None:
    """The newest run of these inputs, if it has finished and is not yet where it belongs."""
    runs = [run for run in runs_of([model.project], session.reporter) if isinstance(run, Run)]
    run = next((one for one in reversed(runs) if one.model == model.name and one.tags.get(TAG) == inputs), None)
    if run is None or run.status != "finished":
        return None
    found = package_of(session, model, run.id)
    if not found.archive.is_file() or (results and str(results.ref) not in _uploaded(found)):
        return run
    return None


def _upload(session: Session, found: Package, results: Place) -> None:
    target = results.path(found.run)
    files = [found.archive, found.folder / LOG, found.folder / "manifest.json"]
    plan = push_plan(found.folder, results.store, f"{results.ref}/{found.run}", target)
    plan = replace(plan, files={path: file for path, file in plan.files.items() if file in files})
    push(plan, session.data, session.reporter, force=False)
    with tempfile.NamedTemporaryFile("w") as file:
        json.dump(found.latest, file)
        file.flush()
        results.store.write(results.path(LATEST), Path(file.name))
    write_whole(found.folder / _UPLOADED, json.dumps([*_uploaded(found), str(results.ref)]))
    session.reporter.step(f"{results.ref}/{found.run} has it, and {LATEST} names it")


def _uploaded(found: Package) -> list[str]:
    """The places where a package was put."""
    path = found.folder / _UPLOADED
    try:
        return list(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return []


def _show(session: Session, model: ModelDir, section: TrainingSection) -> None:
    folder = session.short(folder_of(session, model))
    session.reporter.would(f"write {folder}/<run>/{Package(Path(), model.path.name).archive.name} and {LOG}")
    if section.results:
        session.reporter.would(f"push them to {section.results}/<run>")
