"""Whether the data of a run is still what it was, and where a container gets it from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from trainyard.contract.files import dataset_files, sha256_of_dataset
from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import read_datastores
from trainyard.host.engines.base import Mount
from trainyard.host.monorepo.commits import has_file, sha256_in
from trainyard.host.monorepo.dataset_ref import parse_ref
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.config_data import FOLDER, section_of_tags
from trainyard.host.operations.reproducing.trained_run import TrainedRun
from trainyard.host.operations.session import Session
from trainyard.host.operations.training_data import KEYS, TrainingData, data_of, data_of_section, mounted

QUICK = 256 << 20  # bytes that are hashed while somebody waits for an answer
CHANGED = "it has changed since: put back what it was"
Mounting = Callable[[], tuple[Mount, object]]


@dataclass(frozen=True)
class AskedData:
    """A dataset that a run was given: a path below its project, and its sha256 then; empty where nobody knows."""

    name: str
    sha256: str


@dataclass(frozen=True)
class FoundData:
    """``problems`` say what of it is gone or has changed. ``mount`` fetches it where it has to be, and gives what the
    container sees, with what holds it meanwhile; ``tags`` are those of a run with it."""

    mount: Mounting
    problems: tuple[TrainyardError, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def find_data(session: Session, trained: TrainedRun, project: Path) -> FoundData:
    """The data of a run: of its stores, or in its project's ``data/``, else in that of ``project``, which is as it was
    in its commit. Nothing is fetched yet."""
    if stored := _stored(trained):
        return _in_stores(session, trained, stored)
    asked, here = _asked(trained), trained.project
    problems = tuple(filter(None, (_problem(here, one) for one in asked)))
    if (problems or not (here / "data").is_dir()) and all(_problem(project, one) is None for one in asked):
        here, problems = project, ()
    return FoundData(lambda: (Mount("datasets", here / "data", read_only=True), None), problems)


def look_for_data(session: Session, trained: TrainedRun) -> tuple[TrainyardError, ...]:
    """What ``find_data`` would find in the way, as far as it can be known without the network, without a work tree, and
    without hashing what is large."""
    if stored := _stored(trained):
        try:
            stores = read_datastores(session.repository.root)
            for ref in stored.values():
                stores.find(parse_ref(ref).store)
        except TrainyardError as error:
            return (error,)
        return ()
    asked, root = _asked(trained), session.repository.root
    problems = tuple(filter(None, (_problem(trained.project, one, quick=True) for one in asked)))
    return () if problems and all(_may_be_committed(trained, root, one) for one in asked) else problems


def store_names(trained: TrainedRun) -> list[str]:
    """The data stores that its data came from."""
    return list(dict.fromkeys(parse_ref(ref).store for ref in _stored(trained).values()))


def _stored(trained: TrainedRun) -> dict[str, str]:
    """What of its data came from stores: ``<store>:<path>`` by the key of its payload."""
    tags = trained.run.tags
    return {key: tags[f"{one.prefix}dataset"] for key, one in KEYS.items() if f"{one.prefix}dataset_url" in tags}


def _in_stores(session: Session, trained: TrainedRun, stored: Mapping[str, str]) -> FoundData:
    model = ModelDir(trained.project / trained.run.model.rpartition("/")[2], session.repository.root)
    try:
        if section := section_of_tags(trained.run.tags):
            data = data_of_section(session, model, trained.payload, section)
        else:
            data = data_of(session, model, {**trained.payload, **stored})
    except TrainyardError as error:
        return FoundData(_nothing, (error,))
    except ValueError:  # somebody has edited the run
        return FoundData(_nothing, (TrainyardError(f"{trained.run.path('run.json')}: its dataset is none", ""),))
    mount = functools.cache(lambda: mounted(session, model, data))
    if dict(data.payload) != dict(trained.payload):
        return FoundData(_nothing, (TrainyardError("its datasets would have other places now", "train it by hand"),))
    problems = (_changed_in_store(session, trained, key, ref, data, mount) for key, ref in stored.items())
    return FoundData(mount, tuple(filter(None, problems)), data.tags)


def _changed_in_store(
    session: Session, trained: TrainedRun, key: str, ref: str, data: TrainingData, mount: Mounting
) -> TrainyardError | None:
    """A store may have the same content under another version: it was copied, or has moved. So it is fetched, and its
    sha256 decides, where that was written down."""
    version, sha256 = f"{KEYS[key].prefix}dataset_version", f"{KEYS[key].prefix}dataset_sha256"
    before, now = trained.run.tags.get(version, ""), data.tags.get(version, "")
    if before == now:
        return None
    if wanted := trained.run.tags.get(sha256, ""):
        session.reporter.step(f"{ref} has another version than the run had: it is fetched, and its sha256 decides")
        path = mount()[0].folder / PurePosixPath(str(data.payload[key])).relative_to(FOLDER)
        if sha256_of_dataset(path, dataset_files(path)) == wanted:
            return None
    return TrainyardError(f"its dataset {ref} had version {before}, and has {now}", CHANGED)


def _nothing() -> tuple[Mount, object]:
    raise TrainyardError("there is no data to train with", "see above")


def _asked(trained: TrainedRun) -> list[AskedData]:
    """The datasets of a run that are paths; what a train function fetches from a URL itself is its own matter."""
    named = {key: trained.payload.get(key) for key in KEYS}
    return [
        AskedData(name, trained.run.tags.get(f"{KEYS[key].prefix}dataset_sha256", ""))
        for key, name in named.items()
        if isinstance(name, str) and name and "://" not in name
    ]


def _problem(project: Path, asked: AskedData, *, quick: bool = False) -> TrainyardError | None:
    path = project / asked.name
    if ".." in PurePosixPath(asked.name).parts or PurePosixPath(asked.name).is_absolute():
        return TrainyardError(f"its dataset {asked.name} is no path below the project", "choose another run")
    if not path.exists():
        return TrainyardError(f"its dataset {path} is gone", "put it back")
    try:
        files = dataset_files(path, project / "data")
        if not asked.sha256 or (quick and sum(file.stat().st_size for file in files) > QUICK):
            return None
        now = sha256_of_dataset(path, files)
    except OSError as error:
        return TrainyardError(f"{error.filename}: cannot be read ({error.strerror})", "check the dataset")
    except TrainyardError as error:
        return error
    if now == asked.sha256:
        return None
    return TrainyardError(f"its dataset {path} had sha256 {asked.sha256[:12]}, and has {now[:12]}", CHANGED)


def _may_be_committed(trained: TrainedRun, root: Path, asked: AskedData) -> bool:
    """Of a folder, whether the commit has one of that name: what is in there is compared when it is checked out."""
    name = f"{PurePosixPath(trained.place).parent}/{asked.name}"
    if found := sha256_in(root, trained.commit, name):
        return found == asked.sha256
    return has_file(root, trained.commit, name)
