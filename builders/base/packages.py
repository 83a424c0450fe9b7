"""What assemble does to installed packages: ``python packages.py slim|compile SITE_PACKAGES [CACHE]``.

Compiling a virtual environment takes as long as installing it three times, and gives the same bytes for the same
package: so the bytecode of each is kept beside the package cache, under the hash of what the package consists of.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import py_compile
import re
import shutil
import sys
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

TESTS = "tests"
TAG = f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}"
# A module outside of tests/ that imports one from there: astropy's does, at run time.
IMPORTS_TESTS = re.compile(rb"^\s*(?:from\s+[\w.]*\btests\b|import\s+[\w.]+\.tests\b)", re.MULTILINE)
OLDEST = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can say


def slim(site: Path) -> None:
    """Remove the packages' own tests, but for those of a package that imports them itself."""
    for package in sorted(path for path in site.iterdir() if (path / "__init__.py").is_file()):
        folders = [path for path in package.rglob(TESTS) if (path / "__init__.py").is_file()]
        if folders and not any(IMPORTS_TESTS.search(path.read_bytes()) for path in _sources(package)):
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)  # one may lie in another


def _sources(package: Path) -> Iterator[Path]:
    """The modules of a package, but for its tests."""
    for folder, folders, files in os.walk(package):
        folders[:] = [name for name in folders if name != TESTS]
        yield from (Path(folder) / name for name in files if name.endswith(".py"))


def compile_all(site: Path, cache: Path | None) -> None:
    """Bytecode of every installed package: from the cache where it is there, else compiled, and put there."""
    packages = dict(_packages(site))
    missing = {key: packages[key] for key in packages if not (cache and _restore(site, cache / f"{key}.zip"))}
    with ProcessPoolExecutor() as pool:
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
            if any(name.startswith("/") or ".." in name.split("/") for name in names) or packed.testzip():
                return False
            packed.extractall(site)
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


def main(arguments: list[str]) -> None:
    what, site, *cache = arguments
    if what == "slim":
        slim(Path(site))
    else:
        compile_all(Path(site), Path(cache[0]) if cache else None)


if __name__ == "__main__":
    main(sys.argv[1:])
