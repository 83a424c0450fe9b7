"""What uv has installed becomes what an image keeps: ``python prepare.py INSTALLED VENV CACHE [ACCEPTED...]``.

INSTALLED is laid out as a virtual environment is, or is VENV itself. Whole: each file is what its package says it is.
Lean: without the packages' own tests. Fast: with bytecode, from CACHE where that is not empty. A file is read once and
written once. Prints the names of packages that are damaged; where they are not ACCEPTED, VENV is not complete then.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

from bytecode import compile_packages, packages, restore
from damage import Digest, listed
from slim import divide, imported_tests, wanted

BATCH = 64  # files at a time
READERS = min(32, 4 * (os.cpu_count() or 1))  # more than compute: files that were not read lately are waited for
CHUNK = 1 << 20
# What an image's files get in the end: what has it is not touched again.
TIME = int(os.environ["SOURCE_DATE_EPOCH"])


def prepare(installed: Path, venv: Path, cache: Path | None, accepted: Collection[str] = ()) -> set[str]:
    """The names of packages of which a file is gone, or not what it should be.

    Raises:
        OSError: there is no room for it.
    """
    (site,) = installed.glob("lib/python*/site-packages")
    target = venv / site.relative_to(installed)
    in_place = target == site
    os.chdir(site)
    owners = listed()
    kept, tests = divide(_files())
    with ProcessPoolExecutor(READERS) as pool:
        work = Work(pool, {path: owner.digest for path, owner in owners.items()}, None if in_place else target)
        imported = work.take(kept if in_place else [*kept, *_others(installed, site)])
        while folders := wanted(tests, imported):
            files = [path for folder in folders for path in tests.pop(folder)]
            kept += files
            imported = work.take(files)
        gone = {path for path in owners.keys() - set(kept) if not _is_in(tests, path)}
        damaged = {owners[path].package for path in gone | work.damaged}
        if damaged - set(accepted):
            return damaged
        modules = packages(set(kept))
        restored = pool.map(restore, repeat(target), repeat(cache), modules)
        missing = {key: modules[key] for key, done in zip(modules, restored, strict=True) if not done}
        compile_packages(target, cache, missing, pool)
    if in_place:
        for folder in tests:
            shutil.rmtree(folder)
    return damaged


def _is_in(folders: Collection[str], path: str) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _files() -> Iterator[str]:
    """What is installed, below site-packages."""
    for folder, _, files in os.walk("."):
        inside = f"{folder}/".removeprefix("./")
        yield from (f"{inside}{name}" for name in files)


def _others(installed: Path, site: Path) -> Iterator[str]:
    """What lies beside site-packages, as seen from there: programs, above all."""
    for folder, folders, files in os.walk(installed):
        folders[:] = [name for name in folders if name != site.name]
        yield from (os.path.relpath(f"{folder}/{name}", site) for name in files)


@dataclass
class Work:
    """Files read, compared with their ``digests``, and copied to ``target``, where there is one; ``damaged`` are those
    that are not what they should be."""

    pool: Executor
    digests: Mapping[str, str]
    target: Path | None
    damaged: set[str] = field(default_factory=set)

    def take(self, files: Sequence[str]) -> list[str]:
        """What they import from folders of tests."""
        for folder in {Path(path).parent for path in files} if self.target else ():
            (self.target / folder).mkdir(parents=True, exist_ok=True)
        listed = [(path, self.digests.get(path, "")) for path in files]
        batches = [listed[start : start + BATCH] for start in range(0, len(listed), BATCH)]
        imported: list[str] = []
        for damaged, found in self.pool.map(_take, batches, repeat(self.target)):
            self.damaged.update(damaged)
            imported += found
        return imported


def _take(files: Sequence[tuple[str, str]], target: Path | None) -> tuple[list[str], list[str]]:
    """Of some files those that are damaged, and what they import from folders of tests."""
    damaged: list[str] = []
    imported: list[str] = []
    for path, expected in files:
        digest = Digest(expected)
        imported += _copy(Path(path), digest, target)
        if not digest.agrees:
            damaged.append(path)
    return damaged, imported


def _copy(path: Path, digest: Digest, target: Path | None) -> Iterator[str]:
    """Copy a file below ``target``, where there is one; yields what it imports from folders of tests."""
    module = path.suffix == ".py"
    goal = target / path if target else Path(os.devnull)
    with path.open("rb", buffering=0) as file, goal.open("wb") as copy:
        while chunk := file.read(-1 if module else CHUNK):
            digest.update(chunk)
            copy.write(chunk)
            if module:
                yield from imported_tests(path, chunk)
        if target:
            copy.flush()
            os.fchmod(copy.fileno(), os.fstat(file.fileno()).st_mode & 0o755)
            os.utime(copy.fileno(), (TIME, TIME))


if __name__ == "__main__":
    cache = Path(sys.argv[3]) if sys.argv[3] else None
    try:
        print(*sorted(prepare(Path(sys.argv[1]), Path(sys.argv[2]), cache, sys.argv[4:])))  # noqa: T201
    except OSError as error:
        print(f"{error.filename or sys.argv[2]}: {error.strerror}")  # noqa: T201
        sys.exit(1)
