"""make configure, prepare, package: what a model needs to be trained on other data, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.datastores import Datastores, read_datastores
from trainyard.host.experiments.config import FILE, read_config
from trainyard.host.experiments.training_section import TrainingSection, check_key_prefix, check_place
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.packaging import configuring, preparing
from trainyard.host.operations.packaging import package as operation
from trainyard.host.operations.packaging.preparation_readme import readme_of, write_readme
from trainyard.host.operations.session import Session
from trainyard.host.support import console
from trainyard.host.support.tables import table
from trainyard.host.verbs.asking import agreed, given
from trainyard.settings.data import PackageSettings, StoreSettings
from trainyard.settings.scaffold import ScaffoldSettings


def configure(session: Session, model: ModelDir) -> None:
    """Ask for what the section ``training:`` of config.yaml lacks, write it, print the variables that are needed.

    Raises:
        TrainyardError: something is not given, and nobody is there to be asked; nothing is written then.
    """
    stores = read_datastores(session.repository.root)
    section = read_config(model.path).training
    values = {key: value for key, value in _answers(session, model, section, stores).items() if value}
    changed = {key: value for key, value in values.items() if value != getattr(section, key)}
    section = configuring.write_section(session, model, changed)
    place = session.short(model.path / FILE)
    if changed and not session.commands.dry_run:
        session.reporter.step(f"Wrote {', '.join(changed)} to training: in {place}")
    elif not changed:
        session.reporter.step(f"{place} has all of training: already")
    readme = readme_of(model)
    if not readme.exists():
        if session.commands.dry_run:
            session.reporter.would(f"write {session.short(readme)}")
        else:
            write_readme(model)
            session.reporter.step(f"Wrote {session.short(readme)}: describe the data there")
    _show_needed(session, section)
    session.reporter.step(f"Next: make prepare MODEL={model.name}")


def _answers(session: Session, model: ModelDir, section: TrainingSection, stores: Datastores) -> dict[str, str]:
    """Each value of the section: given, there already, or asked for."""
    scaffold = ScaffoldSettings.read(session.repository.overrides)
    own = PackageSettings.read(session.repository.overrides)
    has_places = (scaffold.source or section.data) and (scaffold.to or section.results)
    store = "" if has_places else _store(session, stores)
    guess = configuring.guessed(model)
    is_place = _checked(lambda text: _place(text, stores))

    def ask(variable: str, value: str, there: str, question: str, default: str, check: Callable[[str], str]) -> str:
        return there if there and not value else given(variable, value, question, default, check)

    def place(variable: str, value: str, there: str, question: str, what: str) -> str:
        return ask(variable, value, there, question, configuring.default_place(model, store, what), is_place)

    answers = {"data": place("FROM", scaffold.source, section.data, "Training data", "training-data")}
    if own.key_prefix or not section.data:
        question = "Training data key prefix (its folder below DATA_DIR)"
        check = _checked(check_key_prefix)
        answers["key_prefix"] = given("KEY_PREFIX", own.key_prefix, question, "", check, optional=True)
    answers["results"] = place("TO", scaffold.to, section.results, "Results", "results")
    for key, value in (("framework", scaffold.framework), ("serialization", scaffold.serialization)):
        answers[key] = ask(key.upper(), value, getattr(section, key), key.capitalize(), guess[key], str)
    return {**answers, "sample_data": own.sample_data}


def _store(session: Session, stores: Datastores) -> str:
    """The data store for what is not given.

    Raises:
        TrainyardError: there is none, or it is not clear which.
    """
    if not stores.stores:
        raise TrainyardError(f"{stores.path}: no data store yet", "make datastore-add NAME=lake URL=s3://bucket/folder")
    named = StoreSettings.read(session.repository.overrides).store
    question = f"Data store ({', '.join(stores.stores)})"
    name: str = given("STORE", named, question, configuring.only_store(stores), lambda text: text.strip())
    stores.find(name)
    return name


def _place(text: str, stores: Datastores) -> str:
    stores.find(parse_ref(check_place(text)).store)
    return text


def _checked(check: Callable[[str], str]) -> Callable[[str], str]:
    """A check of a section as one of a person's answer."""

    def asked(text: str) -> str:
        try:
            return check(text)
        except ValueError as error:
            raise TrainyardError(f"{text}: {error}", "correct it") from None

    return asked


def _show_needed(session: Session, section: TrainingSection) -> None:
    for need in configuring.needed_by(session, section):
        if need.file:
            console.result(f"{need.store}: write its credentials to {need.file}")
        for name, is_set in need.variables:
            console.result(f"{need.store}: {name} {'is set' if is_set else 'has to be set'}")


def prepare(session: Session, model: ModelDir) -> None:
    """Look at everything, then make places, upload the sample data, pack the training code.

    Raises:
        TrainyardError: something is wrong; all of it was printed, and nothing was changed.
    """
    with session.reporter.waiting(f"Looking at {model.name} and its data stores ..."):
        found = preparing.look(session, model)
    _raise_all(found.problems)
    yes = PackageSettings.read(session.repository.overrides).yes or session.commands.dry_run
    for place in found.unmade:
        refused = TrainyardError(f"{place.ref.store}: {place.url} is not there", "YES=1 makes it")
        agreed(f"Make {place.url} ({place.ref.store})?", yes=yes, otherwise=refused)
    archive = preparing.carry_out(session, model, found)
    rows = [("BYTES", "FILE"), *((f"{file.size:,}", str(file.path)) for file in found.code.files)]
    console.result(f"{session.short(archive)}:")
    for line in table(rows):
        console.result(f"  {line}")
    session.reporter.step(f"Next: make package MODEL={model.name}")


def _raise_all(problems: list[TrainyardError]) -> None:
    if len(problems) == 1:
        raise problems[0]
    for problem in problems:
        console.error(str(problem))
    if problems:
        raise TrainyardError(f"{len(problems)} things stand in the way", "see above", EXIT_FAILED)


def package(session: Session, model: ModelDir) -> None:
    """Train; leave the log and the archive here and in the place of results."""
    found = operation.package(session, model)
    if found:
        console.result(str(found.archive))
