"""The packages that ``make package`` left: here, and in the place of results."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.data.store import NotThere
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.packaging.code_archive import folder_of
from trainyard.host.operations.packaging.package_files import Package
from trainyard.host.operations.packaging.places import Place
from trainyard.host.operations.session import Session

LATEST = "latest.json"  # in the place of results: which package is the newest
_MOST = 1 << 16  # bytes of that file
_ARCHIVE = re.compile(r"[^/]+/[^/]+\.tar\.gz")


@dataclass(frozen=True)
class Latest:
    """The newest package of a place: the path of its archive there, and the sha256."""

    archive: str
    sha256: str


def package_of(session: Session, model: ModelDir, run: str) -> Package:
    """Where the package of a run is, or will be."""
    return Package(folder_of(session, model) / run, model.path.name)


def packages(session: Session, model: ModelDir) -> list[Package]:
    """The packages that are here, the newest first."""
    folders = sorted(folder_of(session, model).glob("[!.]*/"), reverse=True)
    found = [package_of(session, model, folder.name) for folder in folders]
    return [one for one in found if one.archive.is_file()]


def latest_of(place: Place) -> Latest:
    """Raises:
    TrainyardError: there is no package yet, or its place does not answer."""
    where = f"{place.ref}/{LATEST}"
    try:
        item = place.store.find(place.path(LATEST))
    except NotThere:
        item = None
    if item is None:
        raise TrainyardError(f"{where} is not there: no package yet", "make package")
    if item.size > _MOST:
        raise TrainyardError(f"{where}: {item.size:,} bytes are no such file", "make package", EXIT_FAILED)
    try:
        found: Any = json.loads(b"".join(place.store.read(item)))
        archive, sha256 = str(found["archive"]), str(found["sha256"])
        if not _ARCHIVE.fullmatch(archive) or ".." in archive or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError("it names no archive of that place")
    except (ValueError, TypeError, LookupError) as error:
        raise TrainyardError(f"{where}: not readable ({error})", "make package writes it again", EXIT_FAILED) from None
    return Latest(archive, sha256)
