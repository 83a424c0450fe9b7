"""make adopt: a model directory that serves a fitted model, which is copied beside a record of it."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trainyard.contract.files import sha256_of
from trainyard.contract.model_files import BINARY, digest_of, record_name
from trainyard.contract.records import dump_record
from trainyard.errors import TrainyardError
from trainyard.host.operations.session import Session
from trainyard.host.scaffold.adding import add_all
from trainyard.host.scaffold.adopting.adopted_columns import Table, chosen_columns, instances_of, read_table, schema_of
from trainyard.host.scaffold.adopting.fitted.described import Described
from trainyard.host.scaffold.adopting.fitted.recognizing import describe
from trainyard.host.scaffold.dataset_place import dataset_name, find_dataset, is_copied, project_around
from trainyard.host.scaffold.model_names import LONGEST, check_model, check_project, name_from
from trainyard.host.scaffold.model_places import Place, as_new, check_free
from trainyard.host.scaffold.rendering import render
from trainyard.settings.scaffold import ScaffoldSettings

PROJECT = "adopted"  # of a model whose dataset is of no project


@dataclass(frozen=True)
class Adoption:
    """What a file becomes. ``data`` is the dataset as seen from the project; it is copied there where it ``comes``."""

    place: Place
    source: Path
    model: Described
    table: Table
    columns: list[dict[str, Any]]
    data: str
    comes: bool

    @property
    def file(self) -> str:
        return f"{self.place.model_name}{self.model.suffix}"


def adoption(session: Session, given: ScaffoldSettings) -> Adoption:
    """What the given file becomes; nothing is written.

    Raises:
        TrainyardError: it is no model that can be served, or the dataset is not what it takes.
    """
    for name, value in (("MODEL_FILE", given.model_file), ("DATASET", given.dataset)):
        if not value:
            raise TrainyardError(f"{name} is missing", "make adopt MODEL_FILE=model.joblib DATASET=data/x.csv")
    root = session.repository.root
    source = Path.cwd() / given.model_file
    model = describe(source)
    dataset = find_dataset(given.dataset, root, given.project).resolve()
    if dataset.is_dir():
        raise TrainyardError(f"DATASET={given.dataset}: a folder", "name a table, as projects/<project>/data/x.csv")
    project = given.project or project_around(dataset, root) or PROJECT
    place = Place(project, given.name or name_from(source.name.partition(".")[0]))
    home = check_project(place.project, session.repository)
    check_model(place.model, home)
    comes, data = is_copied(dataset, home), dataset_name(dataset, home).as_posix()
    table = read_table(dataset, separator=given.separator, encoding=given.encoding)
    columns = schema_of(model, table, chosen_columns(model, table, given.target))
    found = Adoption(place, source, model, table, columns, data, comes)
    check_free(as_new(place, session.repository), session.repository, f"NAME={place.model}")
    return found


def adopt(session: Session, found: Adoption) -> list[PurePosixPath]:
    """Write all of it, or nothing; the paths below the monorepo.

    Raises:
        TrainyardError: something is in the way; the disk is full.
    """
    state = session.repository.state
    state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="adopting-", dir=state) as name:
        rendered = Path(name)
        _write(rendered, found)
        return add_all(rendered, session.repository.root, dry_run=session.commands.dry_run)


def _write(rendered: Path, found: Adoption) -> None:
    """As it is going to lie in the monorepo."""
    home = rendered / "projects" / found.place.project
    folder = home / found.place.model
    (home / "models").mkdir(parents=True)
    shutil.copyfile(found.source, home / "models" / found.file)
    sha256 = sha256_of(home / "models" / found.file)
    record = _record(found, sha256)
    (home / "models" / record_name(record["files"], found.place.model_name)).write_text(dump_record(record))
    if found.comes:
        (home / found.data).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.table.path, home / found.data)
    source = re.sub(r"[^\w. -]", "_", found.source.name)[: 2 * LONGEST]
    render("adopted", folder, {
        "package": found.place.package, "model_name": found.place.model_name,
        "dataset": found.data,
        "container_name": found.place.container_name, "requirements": _requirements(found.model), "source": source,
        "packages": list(found.model.packages), "library": found.model.library, "sha256": sha256,
        "width": len(found.columns),
    })  # fmt: skip
    (folder / "test").mkdir()
    instances = {"payload": {"instances": instances_of(found.table, found.columns)}}
    (folder / "test" / "test_instances.json").write_text(json.dumps(instances, ensure_ascii=False) + "\n")


def _requirements(model: Described) -> list[str]:
    named = {re.split(r"[^\w-]", line, maxsplit=1)[0] for line in model.requirements}
    return [*model.requirements, *([] if "numpy" in named else ["numpy"])]


def _record(found: Adoption, sha256: str) -> dict[str, Any]:
    files = {found.file: sha256}
    return {
        "model_name": found.place.model_name,
        "sha256": sha256 if found.model.suffix == BINARY else digest_of(files),
        "files": files,
        "origin": "adopted",
        "adopted": {**found.model.facts, "kind": found.model.kind, "suffix": found.model.suffix,
                    "library": found.model.library, "from": found.source.name},
        "schema": {"columns": found.columns},
        "metrics": {},
        "params": {},
    }  # fmt: skip
