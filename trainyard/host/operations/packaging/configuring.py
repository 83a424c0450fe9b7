"""The section ``training:`` of a model's config.yaml: what it lacks, what that could be, writing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainyard.contract.files import read_text, write_whole
from trainyard.host.data.datastores import Datastores, read_datastores
from trainyard.host.experiments.config import FILE, Config
from trainyard.host.experiments.section_text import with_values
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.experiments.yaml_files import parse_text
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.packaging.guessing import guess_framework, guess_serialization
from trainyard.host.operations.packaging.places import variables_needed
from trainyard.host.operations.session import Session

SECTION = "training"


@dataclass(frozen=True)
class Needed:
    """What a store needs of whoever uses it. ``file``: where its credentials lie, else empty."""

    store: str
    variables: tuple[tuple[str, bool], ...]  # and whether each is set
    file: str = ""


def default_place(model: ModelDir, store: str, what: str) -> str:
    """``<store>:<project>/<model>/<what>``; empty where no store is known."""
    return f"{store}:{model.name}/{what}" if store else ""


def only_store(stores: Datastores) -> str:
    """The store that is meant where none is named; empty where there are several, or none."""
    return next(iter(stores.entries)) if len(stores.entries) == 1 else ""


def guessed(model: ModelDir) -> dict[str, str]:
    """What the model's files say it is made with."""
    return {"framework": guess_framework(model), "serialization": guess_serialization(model)}


def write_section(session: Session, model: ModelDir, values: Mapping[str, str]) -> TrainingSection:
    """The section with ``values`` in it, as config.yaml has it now; a dry run writes nothing.

    Raises:
        TrainyardError: what would be there has a mistake, or the section is written so that nothing can be added.
        OSError: it cannot be written.
    """
    path = model.path / FILE
    before = read_text(path) if path.is_file() else ""
    text = with_values(path, before, SECTION, values) if values else before
    section = parse_text(path, text).check(Config).training
    if text == before:
        return section
    if session.commands.dry_run:
        session.reporter.would(f"write to {session.short(path)}: " + ", ".join(f"{k}: {v}" for k, v in values.items()))
    else:
        write_whole(path, text)
    return section


def needed_by(session: Session, section: TrainingSection) -> list[Needed]:
    """What the stores of a section need, each once.

    Raises:
        TrainyardError: there is no such store.
    """
    stores = read_datastores(session.repository.root)
    names = dict.fromkeys(ref.store for ref in (section.data_ref, section.results_ref) if ref.store)
    found = []
    for name in names:
        store = stores.find(name)
        file = getattr(store.credentials, "file", "")
        found.append(Needed(name, tuple(variables_needed(store)), "" if Path(file).expanduser().is_file() else file))
    return found
