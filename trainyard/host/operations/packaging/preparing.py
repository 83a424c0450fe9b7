"""Before a training package: all is looked at first, then places are made, sample data goes up, code is packed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from trainyard.contract.files import dataset_files
from trainyard.contract.routes import came_trained, train_target
from trainyard.errors import TrainyardError
from trainyard.host.data.pushing import plan as push_plan
from trainyard.host.data.pushing import push
from trainyard.host.data.resolving import PUSHING
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.build import plan_model
from trainyard.host.operations.config_data import path_in
from trainyard.host.operations.packaging.code_archive import code_archive, write_code
from trainyard.host.operations.packaging.places import Place, open_place
from trainyard.host.operations.secret_check import refuse_secrets
from trainyard.host.operations.session import Session
from trainyard.host.support.context import Context


@dataclass
class Preparation:
    """What is to be done, and all that stands in the way. ``unmade``: places whose store is not there yet; ``sample``:
    the folder to upload, where the data's place is empty."""

    problems: list[TrainyardError] = field(default_factory=list)
    data: Place | None = None
    unmade: list[Place] = field(default_factory=list)
    sample: Path | None = None
    code: Context = field(default_factory=lambda: Context(()))

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """One problem hides no other."""
        try:
            yield
        except TrainyardError as error:
            self.problems.append(error)


def look(session: Session, model: ModelDir) -> Preparation:
    """Find out what is to be done; nothing is changed."""
    found = Preparation()
    section = TrainingSection()
    with found.noting():
        section = read_config(model.path).training
        if not section.data or not section.results:
            missing = " and ".join(f"training.{key}" for key in ("data", "results") if not getattr(section, key))
            raise TrainyardError(f"{model.path / 'config.yaml'}: {missing} is missing", "make configure")
    with found.noting():
        found.code = _code(session, model)
    places = {}
    for what, ref in (("data", section.data_ref), ("results", section.results_ref)):
        if ref.store:
            with found.noting():
                places[what] = _look_at(session, ref, found)
                if what == "results":
                    places[what].check_writable()
    if "data" in places:
        found.data = places["data"]
        with found.noting():
            _look_at_data(model, section, places["data"], found)
    return found


def _code(session: Session, model: ModelDir) -> Context:
    """What would be in the train image."""
    if came_trained(model.environment):
        raise TrainyardError(f"{model.name} came trained: there is nothing to train", "make predict serves it")
    train_target(model.environment)
    plan = plan_model(model, "train", session.resolver.model_lock(model, "train"), bake=False)
    refuse_secrets(session, plan, model.path)
    return plan.context


def _look_at(session: Session, ref: DatasetRef, found: Preparation) -> Place:
    place = open_place(session, ref)
    if not place.is_made() and place.ref.store not in [one.ref.store for one in found.unmade]:
        found.unmade.append(place)
    return place


def _look_at_data(model: ModelDir, section: TrainingSection, place: Place, found: Preparation) -> None:
    """Whether the place has the dataset, or will have it once the sample is there."""
    is_unmade = place.ref.store in [one.ref.store for one in found.unmade]
    if is_unmade or not (there := place.first_items()):
        found.sample = _sample(model, section)
    elif mark := next((item for item in there if item.path.rpartition("/")[2] == PUSHING), None):
        found.sample = _to_go_on_with(model, section, place, {item.path for item in there} - {mark.path})
    if found.sample:
        place.check_writable()
    name = model.dataset_name
    ref = parse_ref(name)
    if ref.store:
        return
    path, is_open = path_in(section, name), DatasetRef("", ref.path).is_open
    if found.sample:
        below = found.sample / path.removeprefix(place.ref.path).lstrip("/")
        if not is_open and not below.exists():
            raise TrainyardError(
                f"{below}: DATASET_NAME is {name}, and the sample data has no such file", "put it there, or correct it"
            )
    elif not is_open and not place.has(path):
        raise TrainyardError(f"{place.ref} has no {path.removeprefix(place.ref.path).lstrip('/')}",
                             f"put it there: DATASET_NAME is {name}")  # fmt: skip


def _to_go_on_with(model: ModelDir, section: TrainingSection, place: Place, there: set[str]) -> Path:
    """The sample, where its upload was broken off.

    Raises:
        TrainyardError: it is something else that is being pushed there.
    """
    sample = _sample(model, section)
    if not there <= {place.path(path.relative_to(sample).as_posix()) for path in dataset_files(sample)}:
        raise TrainyardError(f"{place.ref}: a push of it goes on, or has not ended", "wait for it, or push it again")
    return sample


def _sample(model: ModelDir, section: TrainingSection) -> Path:
    """The folder of the model, else of its project.

    Raises:
        TrainyardError: there is none, or no file in it.
    """
    candidates = [folder / section.sample_data for folder in (model.path, model.project)]
    folder = next((path for path in candidates if path.is_dir()), None)
    if folder is None:
        raise TrainyardError(
            f"{candidates[0]}: no such folder, and {section.data} is empty",
            f"put sample data there, or your own to {section.data}: make data-push",
        )
    dataset_files(folder, folder)
    return folder


def carry_out(session: Session, model: ModelDir, what: Preparation) -> Path:
    """Make what is missing, upload the sample, write the archive of the code, whose path is returned. A dry run shows
    it. It can be called again where it was interrupted.

    Raises:
        TrainyardError: a store did not do it.
        OSError: the archive cannot be written.
    """
    target, reporter = code_archive(session, model), session.reporter
    if session.commands.dry_run:
        for place in what.unmade:
            reporter.would(f"make {place.url} ({place.ref.store})")
        if what.sample and what.data:
            reporter.would(f"push {session.short(what.sample)} to {what.data.ref}")
        reporter.would(f"write {session.short(target)}")
        return target
    for place in what.unmade:
        if place.store.make():
            reporter.step(f"Made {place.url} ({place.ref.store})")
    if what.sample and what.data:
        # Another may have put data there meanwhile: what is there already and differs is an error of the push.
        plan = push_plan(what.sample, what.data.store, str(what.data.ref), what.data.ref.path or "")
        count = push(plan, session.data, reporter, force=False)
        reporter.step(f"{what.data.ref} has the sample data now: {count:,} file{'s' if count != 1 else ''} uploaded")
    elif what.data:
        reporter.step(f"{what.data.ref} has data already: the sample data stays here")
    write_code(what.code, target)
    return target
