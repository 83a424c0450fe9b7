"""Locks of other tools as inputs of ours: what they hold stays as it is, what the server needs comes on top."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from trainyard.contract.files import read_text, write_whole
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.requirements.chosen_file import BOTH
from trainyard.host.requirements.lock_files import Entry, as_text, is_whole, read_entries, seal
from trainyard.host.requirements.lock_names import UV_LOCK, find_lock, fix_of
from trainyard.host.requirements.requirement_files import Requirement, file_requirement, requirement_lines
from trainyard.host.requirements.requirement_text import Reader, read_requirement_text


def role_input(model: ModelDir, role: str, cache: Path | None, read: Reader = read_requirement_text) -> Requirement:
    """What one role is resolved from: the lock of another tool where there is one, else its requirements file.

    ``cache`` is a folder that remembers what uv has exported; it takes a tenth of a second. ``read`` gives the text of
    a requirements file.

    Raises:
        TrainyardError: neither is there, the lock is damaged, or does not have what the requirements file asks for.
    """
    lock = find_lock(model.path, role)
    if lock is None:
        return file_requirement(model, role, read)
    entries = read_entries(_remembered(lock, role, cache), f"{lock}, exported", fix_of(lock))
    if any((model.path / name).is_file() for name in (f"requirements_{role}.txt", BOTH)):
        _check_has(lock, entries, file_requirement(model, role))
    return Requirement(lock, as_text(entries), locked=True, indexes=_indexes(lock))


def fixed_entries(inputs: Iterable[Requirement]) -> list[Entry]:
    """What the locks of other tools among ``inputs`` hold.

    Raises:
        TrainyardError: two of them hold one package in different versions.
    """
    found: dict[str, tuple[Path, set[str]]] = {}
    entries: dict[tuple[str, str], Entry] = {}
    for item in (item for item in inputs if item.locked):
        own = read_entries(item.text, str(item.path))
        entries |= {(entry.name, entry.pin): entry for entry in own}
        for name in {entry.name for entry in own}:
            pins = {entry.pin for entry in own if entry.name == name}
            other, known = found.setdefault(name, (item.path, pins))
            if known != pins:
                raise TrainyardError(
                    f"{other} has {name}{_listed(known)}, {item.path.name} {name}{_listed(pins)}",
                    "lock them together: what is trained shall be what is served",
                )
    return list(entries.values())


def remark_on(item: Requirement, lock: str = "") -> str:
    """Why a build from the lock of another tool may get other packages than the next one; empty where it may not.

    ``lock``: what it was completed to for this build, where nothing of that is committed.
    """
    if not item.locked:
        return ""
    if _is_stale(item):
        return f"{item.path}: stale, pyproject.toml has other requirements now"
    held = {entry.name for entry in read_entries(item.text, str(item.path))}
    missing = [entry.name for entry in read_entries(lock, "lock") if entry.name not in held]
    names = ", ".join(missing[:3]) + (", ..." if missing[3:] else "")
    return f"{item.path}: does not lock all that the server needs ({names})" if missing else ""


def fix_of_lock(item: Requirement) -> str:
    """How a lock that is stale or does not hold everything is fixed."""
    return f"{fix_of(item.path)}, then make lock" if _is_stale(item) else "run make lock"


def _is_stale(item: Requirement) -> bool:
    if not item.locked:
        return False
    from trainyard.host.requirements.foreign_locks import is_stale  # only who has such a lock waits for what reads it

    return is_stale(item.path)


def _remembered(lock: Path, role: str, cache: Path | None) -> str:
    from trainyard.host.requirements.foreign_locks import exported

    if lock.name != UV_LOCK or cache is None:
        return exported(lock, role)
    project = lock.with_name("pyproject.toml")
    parts = (role.encode(), lock.read_bytes(), project.read_bytes() if project.is_file() else b"")
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
    path = cache / f"uv-{digest[:16]}.txt"
    if not is_whole(path):
        text = exported(lock, role)
        cache.mkdir(parents=True, exist_ok=True)
        write_whole(path, seal(digest, text))
    return read_text(path)


def _indexes(lock: Path) -> tuple[str, ...]:
    from trainyard.host.requirements.foreign_locks import named_indexes

    return named_indexes(lock)


def _check_has(lock: Path, entries: list[Entry], requirement: Requirement) -> None:
    """Raises TrainyardError where the requirements file asks for what the lock does not have."""
    from packaging.requirements import Requirement as Parsed

    pins: dict[str, list[str]] = {}
    for entry in entries:
        pins.setdefault(entry.name, []).append(entry.pin)
    for line in requirement_lines(requirement):
        asked = Parsed(line.text)
        found = pins.get(line.package, [])
        if not found and not asked.marker:
            raise TrainyardError(f"{line.where}: not in {lock.name}", f"add it there and {fix_of(lock)}")
        for pin in found:
            if pin.startswith("==") and not asked.specifier.contains(pin[2:], prereleases=True):
                raise TrainyardError(f"{line.where}: {lock.name} has {line.package}{pin}", "let them agree")


def _listed(pins: set[str]) -> str:
    return " and ".join(sorted(pins))
