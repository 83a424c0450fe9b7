"""What ``make package`` leaves of a run: its log, and ``<model>-trained.tar.gz`` with a manifest. Equal content gives
equal bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from trainyard.contract import run_folder
from trainyard.contract.files import promote_folder, sha256_of
from trainyard.contract.model_files import check_named, files_of, record_name
from trainyard.contract.records import dump_record
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.run_files import Run
from trainyard.host.experiments.training_section import TrainingSection
from trainyard.host.support.context import tar_entry
from trainyard.host.support.hashed_files import HashingReader

MANIFEST = "manifest.json"
MODELS = "models"  # the folder of the archive that becomes models/
LOG = "training-log.txt"


@dataclass(frozen=True)
class Package:
    """A folder with the log, the archive and the manifest of one run."""

    folder: Path
    model: str  # the name of the model's folder

    @property
    def run(self) -> str:
        return self.folder.name

    @property
    def archive(self) -> Path:
        return self.folder / archive_name(self.model)

    @property
    def latest(self) -> dict[str, str]:
        """What the place of results says of its newest package.

        Raises:
            OSError: the archive cannot be read.
        """
        return {"archive": f"{self.run}/{self.archive.name}", "run": self.run, "sha256": sha256_of(self.archive)}


def archive_name(model: str) -> str:
    return f"{model}-trained.tar.gz"


def pack(run: Run, section: TrainingSection, package: Package) -> None:
    """Make the folder of a package, which is not there yet, whole or not at all.

    Raises:
        TrainyardError: the run does not have its model any more, or has files that are not those of its record.
        OSError: no space, no permission.
    """
    files, record = _files(run)
    temporary = package.folder.with_name(f".{package.folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        run.files.copy_to(run_folder.LOG, temporary / LOG)
        text = dump_record(record).encode()
        name = record_name(files, run.model_name)
        manifest = {
            "model": run.model,
            "model_name": run.model_name,
            "run": run.id,
            "framework": section.framework,
            "serialization": section.serialization,
            "record": f"{MODELS}/{name}",
            "files": {f"{MODELS}/{path}": sha256 for path, sha256 in files.items()}
            | {f"{MODELS}/{name}": hashlib.sha256(text).hexdigest()},
        }
        content = (json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
        (temporary / MANIFEST).write_bytes(content)
        with _archive(temporary / package.archive.name) as archive:
            _add(archive, MANIFEST, io.BytesIO(content), len(content))
            _add(archive, f"{MODELS}/{name}", io.BytesIO(text), len(text))
            for path, sha256 in sorted(files.items()):
                _add_file(archive, run, path, sha256)
        promote_folder(temporary, package.folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _files(run: Run) -> tuple[dict[str, str], dict[str, Any]]:
    """The files of the run's model, and its record."""
    try:
        record = run.files.read_json(run_folder.RECORD)
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
        files = files_of(record, run.model_name)
        check_named(files)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainyardError(
            f"{run.path(run_folder.RECORD)}: not a readable record ({reason})", "make train", EXIT_FAILED
        ) from None
    return files, record


def _add_file(archive: tarfile.TarFile, run: Run, path: str, sha256: str) -> None:
    name = f"{run_folder.MODEL}/{path}"
    try:
        source = run.files.open(name)
    except OSError as error:
        raise TrainyardError(
            f"{run.path(name)}: cannot be read ({error.strerror})", "train again: make package", EXIT_FAILED
        ) from None
    with source:
        reader = HashingReader(source)
        _add(archive, f"{MODELS}/{path}", reader, reader.size)
    if reader.digest.hexdigest() != sha256:
        raise TrainyardError(f"{run.path(name)}: not what its record says", "train again: make package", EXIT_FAILED)


def _add(archive: tarfile.TarFile, path: str, content: IO[bytes] | HashingReader, size: int) -> None:
    entry = tar_entry(PurePosixPath(path), 0o644)
    entry.size = size
    archive.addfile(entry, content)


@contextmanager
def _archive(path: Path) -> Iterator[tarfile.TarFile]:
    """Without the time and the name that gzip would write down."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield archive
