"""Compiles installed packages: ``python bytecode.py SITE_PACKAGES [CACHE]``.

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
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

TAG = f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}"
OLDEST = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can say


def compile_all(site: Path, cache: Path | None) -> None:
    """Bytecode of every installed package: from the cache where it is there, else compiled, and put there."""
    packages = dict(_packages(site))
    with ProcessPoolExecutor() as pool:
        keys = sorted(packages, key=lambda key: -len(packages[key]))  # the largest first
        archives = [cache / f"{key}.zip" for key in keys] if cache else []
        restored = dict(zip(keys, pool.map(_restore, repeat(site), archives), strict=False))  # without a cache none
        missing = {key: packages[key] for key in keys if not restored.get(key)}
        paths = [str(site / module) for modules in missing.values() for module in modules]
        for _ in pool.map(_compile, paths, chunksize=32):
            pass
    if cache:
        cache.mkdir(parents=True, exist_ok=True)
        for key, modules in missing.items():
            _keep(site, cache / f"{key}.zip", modules)


def _compile(path: str) -> None:
    """Packages bring templates and files of Python 2: what cannot be compiled here is left as it is."""
    warnings.simplefilter("ignore")
    with contextlib.suppress(py_compile.PyCompileError, OSError):
        py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _packages(site: Path) -> Iterator[tuple[str, list[str]]]:
    """Each installed distribution: a key of what it consists of, and its modules below ``site``."""
    modules = defaultdict(list)
    digests = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        text = record.read_bytes()
        digests[record] = hashlib.sha256(text + TAG.encode()).hexdigest()
        for line in text.decode(errors="replace").splitlines():
            path = line.split(",", 1)[0].strip('"')
            if path.endswith(".py") and not path.startswith(("..", "/")) and (site / path).is_file():
                modules[record].append(path)
    for record, digest in digests.items():
        yield digest, modules[record]


def _bytecode(module: str) -> str:
    return importlib.util.cache_from_source(module, optimization="")


def _restore(site: Path, archive: Path) -> bool:
    """Unpack a package's bytecode; False where the cache does not have it, or has it damaged."""
    try:
        with zipfile.ZipFile(archive) as packed:
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


if __name__ == "__main__":
    compile_all(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None)
