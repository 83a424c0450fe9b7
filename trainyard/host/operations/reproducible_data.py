"""Whether the data of a run is still what it was, and where a container gets it from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainyard.contract.files import dataset_files, sha256_of_dataset
from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Mount
from trainyard.host.monorepo.commits import has_file, sha256_in
from trainyard.host.operations.trained_run import TrainedRun

QUICK = 256 << 20  # bytes that are hashed while somebody waits for an answer
CHANGED = "it has changed since: put back what it was"


@dataclass(frozen=True)
class AskedData:
    """A dataset that a run was given: a path below its project, and its sha256 then; empty where nobody knows."""

    name: str
    sha256: str


@dataclass(frozen=True)
class FoundData:
    """What a container that trains again is given, read-only; ``problems`` say what of it is gone or has changed."""

    mounts: tuple[Mount, ...]
    problems: tuple[TrainyardError, ...] = ()


def find_data(trained: TrainedRun, project: Path) -> FoundData:
    """The data of a run: in its project's ``data/``, else in that of ``project``, which is as it was in its commit."""
    asked, here = asked_data(trained), trained.project
    problems = tuple(filter(None, (_problem(here, one) for one in asked)))
    if (problems or not (here / "data").is_dir()) and all(_problem(project, one) is None for one in asked):
        return FoundData((Mount("datasets", project / "data", read_only=True),))
    return FoundData((Mount("datasets", here / "data", read_only=True),), problems)


def look_for_data(trained: TrainedRun, root: Path) -> tuple[TrainyardError, ...]:
    """What ``find_data`` would find in the way, without a work tree of the commit, and without hashing what is large:
    that counts as the same."""
    asked = asked_data(trained)
    problems = tuple(filter(None, (_problem(trained.project, one, quick=True) for one in asked)))
    return () if problems and all(_may_be_committed(trained, root, one) for one in asked) else problems


def asked_data(trained: TrainedRun) -> list[AskedData]:
    """The datasets of a run that are paths; what a train function fetches from a URL itself is its own matter."""
    tags = {"$ref": "dataset_sha256", "$test_ref": "test_dataset_sha256"}
    named = ((trained.payload.get(key), trained.run.tags.get(tag, "")) for key, tag in tags.items())
    return [AskedData(name, sha256) for name, sha256 in named if isinstance(name, str) and name and "://" not in name]


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
