"""make configure, prepare, package: what a model needs to be trained on other data, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.datastores import Datastores, read_datastores
from trainyard.host.experiments.config import FILE, read_config
from trainyard.host.experiments.training_section import TrainingSection, check_key_prefix, check_place
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.dvc_notes import kept_current
from trainyard.host.operations.packaging import configuring, preparing
from trainyard.host.operations.packaging import package as operation
from trainyard.host.operations.packaging.guessing import KNOWN
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
    with kept_current(session, model.project):
        section = configuring.write_section(session, model, changed)
        place = session.short(model.path / FILE)
        if changed and not session.commands.dry_run:
            session.reporter.step(f"Wrote {', '.join(changed)} to training: in {place}")
        elif not changed:
            session.reporter.step(f"{place} has all of training: already")
        _write_readme(session, model)
    _show_needed(session, section)
    commit = "commit that, so that what is trained can be trained again; then " if changed else ""
    session.reporter.step(f"Next: {commit}make prepare MODEL={model.name}")


def _write_readme(session: Session, model: ModelDir) -> None:
    readme = readme_of(model)
    if readme.exists():
        return
    if session.commands.dry_run:
        session.reporter.would(f"write {session.short(readme)}")
        return
    write_readme(model)
    session.reporter.step(f"Wrote {session.short(readme)}: describe the data there")


def _answers(session: Session, model: ModelDir, section: TrainingSection, stores: Datastores) -> dict[str, str]:
    """Each value of the section: given, there already, or asked for."""
    scaffold = ScaffoldSettings.read(session.repository.overrides)
    own = PackageSettings.read(session.repository.overrides)
    is_place = _place_of(stores)
    for variable, value in (("FROM", scaffold.source), ("TO", scaffold.to)):
        if value:  # what is wrong with it comes before what is missing
            _named(variable, value, is_place)
    places = {"FROM": scaffold.source or section.data, "TO": scaffold.to or section.results}
    store = _store(session, stores, [variable for variable, place in places.items() if not place])
    if not store:
        _check_store_is_used(session, list(places.values()))
    guess = configuring.guessed(model)

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
        if value and value not in KNOWN[key]:
            session.reporter.warn(f"{key.upper()}={value} is none of {', '.join(KNOWN[key])}: it is written as it is")
        answers[key] = ask(key.upper(), value, getattr(section, key), key.capitalize(), guess[key], str)
    return {**answers, "sample_data": own.sample_data}


def _store(session: Session, stores: Datastores, missing: list[str]) -> str:
    """The data store for the places that are not given; empty where all are.

    Raises:
        TrainyardError: there is none, or it is not clear which.
    """
    if not missing:
        return ""
    if not stores.entries:
        raise TrainyardError(f"{stores.path}: no data store yet", "make datastore-add NAME=lake URL=s3://bucket/folder")
    named = StoreSettings.read(session.repository.overrides).store
    question = f"Data store ({', '.join(stores.entries)})"
    what = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not given"
    places = " ".join(f"{variable}=<store>:<prefix>" for variable in missing)
    nobody_says = TrainyardError(what, f"say {places}, or STORE=<one of {', '.join(stores.entries)}>")

    def known(text: str) -> str:
        stores.find(text.strip())
        return text.strip()

    return given("STORE", named, question, configuring.only_store(stores), known, missing=nobody_says)


def _check_store_is_used(session: Session, places: list[str]) -> None:
    """Raises:
    TrainyardError: STORE names a store, and both places are in others already."""
    named = StoreSettings.read(session.repository.overrides).store
    if named and named not in [parse_ref(place).store for place in places]:
        what = f"STORE={named} changes nothing: data is {places[0]} and results are {places[1]}"
        raise TrainyardError(what, f"name others: FROM={named}:<prefix> TO={named}:<prefix>")


def _place_of(stores: Datastores) -> Callable[[str], str]:
    """A check of a place: of one of these stores."""
    there = f"there are {', '.join(stores.entries)}" if stores.entries else "there is none yet: make datastore-add"

    def checked(text: str) -> str:
        try:
            stores.find(parse_ref(check_place(text)).store)
        except ValueError as error:
            raise TrainyardError(f"{text}: {error}", there) from None
        return text

    return checked


def _named(variable: str, text: str, check: Callable[[str], str]) -> None:
    """Raises:
    TrainyardError: as ``check``, with the variable that the text is from."""
    try:
        check(text)
    except TrainyardError as error:
        raise TrainyardError(f"{variable}={text}: {error.message.removeprefix(f'{text}: ')}", error.hint) from None


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
