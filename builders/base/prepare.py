"""What uv has installed becomes what an image keeps: ``python prepare.py INSTALLED VENV CACHE [ACCEPTED...]``.

INSTALLED is laid out as a virtual environment is, or is VENV itself. Whole: each file is what its package says it is.
Lean: without the packages' own tests. Fast: with bytecode, from CACHE where that is not empty. A file is read once and
written once. Prints the names of packages that are damaged; where they are not ACCEPTED, VENV is not complete then.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from bytecode import compile_packages, packages, restore
from damage import Digest, listed
from slim import folders_of_tests

BATCH = 64  # files at a time
READERS = min(32, 4 * (os.cpu_count() or 1))  # more than compute: files that were not read lately are waited for
CHUNK = 1 << 20
# What an image's files get in the end: what has it is not touched again. 1980 is the first year that a zip can say.
TIME = int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))


def prepare(installed: Path, venv: Path, cache: Path | None, accepted: Collection[str] = ()) -> set[str]:
    """The names of packages of which a file is gone, or not what it should be.

    Raises:
        OSError: there is no room for it.
    """
    (site,) = installed.glob("lib/python*/site-packages")
    target = venv / site.relative_to(installed)
    in_place = target == site
    os.chdir(site)
    with ProcessPoolExecutor(READERS) as pool:
        tests = folders_of_tests(pool)
        owners = {path: owner for path, owner in listed().items() if not _is_in(tests, path)}
        files = [(path, owners[path].digest if path in owners else "") for path in _files(tests)]
        modules = packages(dict(files))
        if not in_place:
            files += [(path, "") for path in _others(installed, site)]
            for folder in {Path(path).parent for path, _ in files}:
                (target / folder).mkdir(parents=True, exist_ok=True)
        batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
        taken = pool.map(_take, batches, repeat(None if in_place else target))
        restored = pool.map(restore, repeat(target), repeat(cache), modules)
        bad = {path for paths in taken for path in paths} | owners.keys() - dict(files).keys()
        damaged = {owners[path].package for path in bad}
        if damaged - set(accepted):
            return damaged
        missing = {key: modules[key] for key, done in zip(modules, restored, strict=True) if not done}
        compile_packages(target, cache, missing, pool)
    if in_place:
        for folder in tests:
            shutil.rmtree(folder)
    return damaged


def _is_in(folders: Collection[str], path: str) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _files(left_out: Collection[str]) -> Iterator[str]:
    """What is installed, below site-packages."""
    for folder, folders, files in os.walk("."):
        inside = f"{folder}/".removeprefix("./")
        folders[:] = [name for name in folders if f"{inside}{name}" not in left_out]
        yield from (f"{inside}{name}" for name in files)


def _others(installed: Path, site: Path) -> Iterator[str]:
    """What lies beside site-packages, as seen from there: programs, above all."""
    for folder, folders, files in os.walk(installed):
        folders[:] = [name for name in folders if name != site.name]
        yield from (os.path.relpath(f"{folder}/{name}", site) for name in files)


def _take(files: Sequence[tuple[str, str]], target: Path | None) -> list[str]:
    """Copy files, each with its digest, to ``target``, where there is one; those that are not what they should be."""
    return [path for path, digest in files if not _taken(Path(path), Digest(digest), target)]


def _taken(path: Path, digest: Digest, target: Path | None) -> bool:
    goal = target / path if target else Path(os.devnull)
    with path.open("rb", buffering=0) as file, goal.open("wb") as copy:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
        if target:
            copy.flush()
            os.fchmod(copy.fileno(), os.fstat(file.fileno()).st_mode & 0o755)
            os.utime(copy.fileno(), (TIME, TIME))
    return digest.agrees


if __name__ == "__main__":
    cache = Path(sys.argv[3]) if sys.argv[3] else None
    try:
        print(*sorted(prepare(Path(sys.argv[1]), Path(sys.argv[2]), cache, sys.argv[4:])))  # noqa: T201
    except OSError as error:
        print(f"{error.filename or sys.argv[2]}: {error.strerror}")  # noqa: T201
        sys.exit(1)
