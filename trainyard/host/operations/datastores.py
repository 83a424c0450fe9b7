"""What make does with data stores: add one, look at all, list, pull, push."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.data.cache import CachedDataset
from trainyard.host.data.datastores import Datastore, Datastores, read_datastores, write_datastore
from trainyard.host.data.pushing import plan, push
from trainyard.host.data.resolving import check_path
from trainyard.host.data.store import Entry, NotThere, Store, StoreError
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref
from trainyard.host.monorepo.model_dir import read_model_dir
from trainyard.host.operations.config_data import section_for
from trainyard.host.operations.named_stores import dataset_of, store_of
from trainyard.host.operations.session import Session
from trainyard.host.operations.training_data import cache_of

COUNTED = 100_000  # files of a store that an overview counts


@dataclass(frozen=True)
class Overview:
    """A store as it is now. ``problem``: why it does not answer; ``more``: it has more files than were counted."""

    name: str
    url: str
    problem: str = ""
    files: int = 0
    size: int = 0  # bytes
    newest: str = ""
    more: bool = False


def add(session: Session, name: str, store: Datastore) -> None:
    """Write a store to datastores.yaml, once it has answered.

    Raises:
        TrainyardError: it does not answer, there is one of that name, or the file has a mistake.
    """
    root = session.repository.root
    known = read_datastores(root)
    if name not in known.entries:
        try:
            check(store_of(session, name, Datastores(known.path, {name: store}, {})))
        except StoreError as error:
            fix = "nothing is written: correct URL, ENDPOINT or the credentials"
            raise StoreError(error.message, error.hint if isinstance(error, NotThere) else fix) from None
    if session.commands.dry_run:
        session.reporter.would(f"write {name} to {session.short(known.path)}")
        return
    write_datastore(root, name, store)


def check(store: Store) -> None:
    """Raises:
    TrainyardError: it does not answer. One that is empty does."""
    next(iter(store.files()), None)


def overviews(session: Session) -> list[Overview]:
    """Every store of datastores.yaml; one that does not answer keeps nothing from the others."""
    stores = read_datastores(session.repository.root)
    with ThreadPoolExecutor(max(1, len(stores.entries))) as pool:
        return list(pool.map(lambda name: _overview(session, name, stores), stores.entries))


def _overview(session: Session, name: str, stores: Datastores) -> Overview:
    url = stores.entries[name].url
    files = size = 0
    newest = (0.0, "")
    try:
        for item in store_of(session, name, stores).files():
            if files == COUNTED:
                return Overview(name, url, "", files, size, _moment(*newest), more=True)
            files, size = files + 1, size + item.size
            newest = max(newest, (item.modified, item.path))
    except TrainyardError as error:
        return Overview(name, url, str(error).removeprefix("data store ").removeprefix(f"{name}: "))
    return Overview(name, url, "", files, size, _moment(*newest))


def _moment(seconds: float, path: str) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} {path}" if seconds else ""


def entries(session: Session, name: str, folder: str) -> list[Entry]:
    """The files and folders of one level of a store, by their names.

    Raises:
        TrainyardError: there is none of that name, or no such folder in it.
    """
    check_path(DatasetRef(name, folder.strip("/")))
    store = store_of(session, name)
    found = sorted(store.entries(folder.strip("/")), key=lambda entry: entry.name)
    if not found and folder:
        if alone := store.find(folder.strip("/")):
            return [Entry(folder.rpartition("/")[2], alone)]
        raise NotThere(f"{name}:{folder} is not there", f"make data-list STORE={name}")
    return found


def fetched(session: Session, ref: DatasetRef) -> CachedDataset:
    """A dataset of a store, in the cache.

    Raises:
        TrainyardError: there is no such dataset, or it cannot be fetched.
    """
    part = dataset_of(session, ref)
    resolved = part.resolved
    if resolved.asked.is_open:
        session.reporter.step(f"{resolved.asked} is {resolved.ref}")
    # As the models of a project see it, so that their trainings find it there.
    return cache_of(session).dataset([part], str(resolved.ref))


def copy_out(session: Session, cached: CachedDataset, target: Path, *, force: bool) -> int:
    """Copy a fetched dataset into a folder; how many files were not there as they are.

    Raises:
        TrainyardError: other files of these names are there, and ``force`` is not given: nothing was copied.
    """
    copies = {target / file.place: cached.folder / file.place for file in cached.files}
    missing = {path: source for path, source in copies.items() if not _is_equal(path, source)}
    other = [path for path in missing if path.exists()]
    if other and not force:
        raise TrainyardError(f"{other[0]} is there already with other content", "move it away, or FORCE=1 overwrites")
    if session.commands.dry_run:
        return len(missing)
    for path, source in missing.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            shutil.copyfile(source, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return len(missing)


def _is_equal(path: Path, source: Path) -> bool:
    if not path.is_file() or path.stat().st_size != source.stat().st_size:
        return False
    with path.open("rb") as one, source.open("rb") as other:
        return all(piece == other.read(len(piece)) for piece in iter(lambda: one.read(1 << 20), b""))


def datasets_of_models(session: Session) -> tuple[list[DatasetRef], list[TrainyardError]]:
    """The datasets of stores that the models of the monorepo train on, each once; why others cannot be known."""
    refs: list[DatasetRef] = []
    errors = []
    for path in session.repository.every_model_path():
        try:
            model = read_model_dir(path, session.repository.root)
            section = section_for(session, model, {"$ref": model.dataset_name})
            refs.append(section.data_ref if section else parse_ref(model.dataset_name))
        except TrainyardError as error:
            errors.append(error)
    return [ref for ref in dict.fromkeys(refs) if ref.store], errors


def put(session: Session, source: Path, target: DatasetRef) -> int:
    """Push a file or a folder; how many files were not there before.

    Raises:
        TrainyardError: as ``pushing.push``; or there is no such store.
    """
    check_path(DatasetRef(target.store, target.path.strip("/")))
    planned = plan(source, store_of(session, target.store), str(target), target.path)
    if session.commands.dry_run:
        for path, file in planned.files.items():
            session.reporter.would(f"push {session.short(file)} to {target.store}:{path}")
        return 0
    return push(planned, session.data, session.reporter, force=session.settings.force)
