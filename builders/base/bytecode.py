"""The bytecode of installed packages.

Compiling a virtual environment takes as long as installing it three times, and gives the same bytes for the same
package: so the bytecode of each is kept beside the package cache, under the hash of what the package consists of.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import py_compile
import sys
import warnings
import zipfile
from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from pathlib import Path

TAG = f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}"
OLDEST = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can say


def packages(files: Collection[str]) -> dict[str, list[str]]:
    """The modules of each distribution below site-packages, where this runs, under a key of what it consists of; the
    largest comes first. ``files``: what is to be kept."""
    found = {}
    for record in sorted(Path().glob("*.dist-info/RECORD")):
        text = record.read_bytes()
        paths = [line.split(",", 1)[0].strip('"') for line in text.decode(errors="replace").splitlines()]
        modules = [path for path in paths if path.endswith(".py") and path in files]
        found[hashlib.sha256("\0".join([TAG, *modules]).encode() + text).hexdigest()] = modules
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def compile_packages(site: Path, cache: Path | None, missing: Mapping[str, list[str]], pool: Executor) -> None:
    """Bytecode of packages in ``site`` that the cache does not have: it is put there."""
    paths = [str(site / module) for modules in missing.values() for module in modules]
    for _ in pool.map(_compile, paths, chunksize=32):
        pass
    if cache and missing:
        cache.mkdir(parents=True, exist_ok=True)
        for key, modules in missing.items():
            _keep(site, cache / f"{key}.zip", modules)


def restore(site: Path, cache: Path | None, key: str) -> bool:
    """Unpack a package's bytecode; False where the cache does not have it, or has it damaged."""
    if not cache:
        return False
    try:
        with zipfile.ZipFile(cache / f"{key}.zip") as packed:
            names = packed.namelist()
            if any(name.startswith("/") or ".." in name.split("/") for name in names):
                return False
            for name in names:  # extractall would look at each folder again
                path = site / name
                content = packed.read(name)  # compared with its checksum
                path.parent.mkdir(exist_ok=True)  # beside a module, which is there
                path.write_bytes(content)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return True


def _compile(path: str) -> None:
    """Packages bring templates and files of Python 2: what cannot be compiled here is left as it is."""
    warnings.simplefilter("ignore")
    with contextlib.suppress(py_compile.PyCompileError, OSError):
        py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _bytecode(module: str) -> str:
    return importlib.util.cache_from_source(module, optimization="")


def _keep(site: Path, archive: Path, modules: list[str]) -> None:
    """Put a package's bytecode into the cache, whole or not at all; without room for it there is just no cache."""
    part = archive.with_suffix(f".{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w") as packed:
            for name in map(_bytecode, modules):
                if (site / name).is_file():
                    packed.writestr(zipfile.ZipInfo(name, OLDEST), (site / name).read_bytes())
        part.replace(archive)
    except OSError as error:
        print(f"warning: {archive}: {error.strerror}", file=sys.stderr)  # noqa: T201
        with contextlib.suppress(OSError):
            part.unlink()
