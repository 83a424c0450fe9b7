"""Locks that other tools wrote into a model directory: ``pylock.toml`` (PEP 751) and ``uv.lock``.

Both become entries of our own lock, with their hashes. ``uv.lock`` is of a project whose ``pyproject.toml`` lies
beside it: its dependencies are both roles', a dependency group or an extra named ``train`` or ``predict`` that role's.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import uv
from packaging.pylock import Package, Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.network.urls import has_login
from trainyard.host.requirements.lock_files import Entry
from trainyard.host.requirements.lock_names import UV_LOCK, fix_of
from trainyard.host.requirements.project_files import read_project, read_toml, requirements_in
from trainyard.host.requirements.requirement_text import IN_SETTINGS

ALGORITHMS = ("sha256", "sha384", "sha512", "blake2b", "md5")  # that requirements files know, the usual one first

PYPI = "https://pypi.org/simple"

Wanted = tuple[str, frozenset[str], SpecifierSet]  # a package, its extras, its versions


def direct_requirements(lock: Path, role: str) -> list[str]:
    """The requirements behind a lock; of a pylock only its packages are known."""
    if lock.name != UV_LOCK:
        return [f"{one.name} ; {one.marker}" if one.marker else one.name for one in _read_pylock(lock).packages]
    return requirements_in(_project(lock), role)


def named_indexes(lock: Path) -> tuple[str, ...]:
    """The indexes that packages of a lock are from, but for PyPI: INDEX_URL stands for that.

    Raises:
        TrainyardError: the URL of one has a user or a password.
    """
    if lock.name == UV_LOCK:
        found = re.findall(r'\bregistry = "([^"]+)"', read_text(lock))  # to parse it takes as long as a build may
    else:
        found = [package.index or "" for package in _read_pylock(lock).packages]
    urls = tuple(dict.fromkeys(url.rstrip("/") for url in found if re.match("https?://", url)))
    if any(map(has_login, urls)):
        raise TrainyardError(f"{lock}: an index has a user or a password in its URL", f"take it out: {IN_SETTINGS}")
    return tuple(url for url in urls if url != PYPI)


def exported(lock: Path, role: str) -> str:
    """The lock as a requirements file with hashes.

    Raises:
        TrainyardError: it cannot be read, or holds something else than packages of an index.
    """
    if lock.name == UV_LOCK:
        return _export_uv(lock, role)
    return "".join(str(_entry(lock, package)) for package in _read_pylock(lock).packages)


def is_stale(lock: Path) -> bool:
    """Whether a uv.lock is of other requirements than its pyproject.toml has now; a pylock says nothing of its own."""
    if lock.name != UV_LOCK:
        return False
    project = _project(lock)
    table = project.get("project", {})
    own = canonicalize_name(str(table.get("name", "")))
    now = [*table.get("dependencies", []), *_flat(table.get("optional-dependencies", {}))]
    packages: list[dict[str, Any]] = _read_toml(lock).get("package", [])
    then: dict[str, Any] = next((one.get("metadata", {}) for one in packages if one.get("name") == own), {})
    groups = project.get("dependency-groups", {})
    return (
        _wanted(lock, now) != _recorded(then.get("requires-dist", []))
        or _wanted(lock, _flat(groups)) != _recorded(_flat(then.get("requires-dev", {})))
    )  # fmt: skip


def _export_uv(lock: Path, role: str) -> str:
    """What uv says; frozen, so that nothing is resolved and nobody asked."""
    _read_toml(lock)  # names the line of a damaged one
    project = _project(lock)
    named = [
        part
        for option, table in (("--extra", project.get("project", {}).get("optional-dependencies", {})),
                              ("--group", project.get("dependency-groups", {})))
        if role in table
        for part in (option, role)
    ]  # fmt: skip
    done = subprocess.run(
        [
            uv.find_uv_bin(), "export", "--frozen", "--format", "requirements.txt", "--no-emit-project", "--no-header",
            "--no-annotate", "--no-default-groups", "--no-python-downloads", "--quiet", *named,
        ],
        cwd=lock.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = " ".join(done.stderr.removeprefix("error: ").split())
        raise TrainyardError(f"{lock}: cannot be exported: {reason}", fix_of(lock))
    return done.stdout


def _entry(lock: Path, package: Package) -> Entry:
    """One package of a pylock, as far as a requirements file can say it."""
    hashed = [file.hashes for file in (*(package.wheels or ()), package.sdist, package.archive) if file]
    pin = f"=={package.version}" if package.version else ""
    if package.archive and package.archive.url and not has_login(package.archive.url):
        pin = f" @ {package.archive.url}"
    if not (pin and hashed):
        raise TrainyardError(f"{lock}: {package.name} is not a package of an index", "lock one that is")
    marker = str(package.marker or "")
    if "extras" in marker or "dependency_groups" in marker:
        raise TrainyardError(
            f"{lock}: {package.name} depends on extras or groups ({marker})",
            "export a lock for each role: pylock.train.toml and pylock.predict.toml",
        )
    hashes = {_hash(lock, package, one) for one in hashed}
    return Entry(package.name, pin, marker, tuple(sorted(hashes)))


def _hash(lock: Path, package: Package, hashes: Any) -> str:
    for algorithm in ALGORITHMS:
        if algorithm in hashes:
            return f"{algorithm}:{hashes[algorithm]}"
    raise TrainyardError(f"{lock}: {package.name} has no hash that can be checked", f"lock it with {ALGORITHMS[0]}")


def _read_pylock(lock: Path) -> Pylock:
    try:
        return Pylock.from_dict(_read_toml(lock))
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        raise TrainyardError(f"{lock}: not a lock of PEP 751: {error}", fix_of(lock)) from None


def _project(lock: Path) -> dict[str, Any]:
    path = lock.with_name("pyproject.toml")
    if not path.is_file():
        raise TrainyardError(f"{lock}: no pyproject.toml beside it", "add the project that it is the lock of")
    return read_project(path)


def _read_toml(lock: Path) -> dict[str, Any]:
    return read_toml(lock, fix_of(lock))


def _flat(table: dict[str, list[Any]]) -> list[Any]:
    return [item for items in table.values() for item in items]


def _wanted(lock: Path, requirements: Iterable[Any]) -> set[Wanted]:
    """Of a pyproject.toml. What a group includes is in the table by itself."""
    try:
        parsed = [Requirement(one) for one in requirements if isinstance(one, str)]
    except InvalidRequirement as error:
        path = lock.with_name("pyproject.toml")
        raise TrainyardError(f"{path}: not a requirement: {error}".splitlines()[0], "write name>=version") from None
    return {(canonicalize_name(one.name), frozenset(one.extras), one.specifier) for one in parsed}


def _recorded(requirements: Iterable[Any]) -> set[Wanted]:
    """Of a uv.lock."""
    try:
        return {
            (one["name"], frozenset(one.get("extras", [])), SpecifierSet(one.get("specifier", "")))
            for one in requirements
        }
    except (KeyError, TypeError, InvalidSpecifier):
        return set()
