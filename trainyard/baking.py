"""Binaries on their way into an image (BAKE=1): which files, and how they are handed over.

They are a layer of their own, the last one. Two builds from equal files give equal layers, byte for byte, so a registry
that has one of them is not sent the other: times, owner and modes are fixed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from trainyard.context import OLDEST_TIME, tar_entry
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.files import sha256_of
from trainyard.model_dir import ModelDir
from trainyard.model_files import compiled_name
from trainyard.records import check_sha256, read_compiled, read_record, record_path


class HashingReader:
    """Reads from ``file``, of ``size`` bytes; ``digest`` is over what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.digest.update(content)
        return content


@dataclass(frozen=True)
class BakedFile:
    """A file below ``models/``, and the content that it had when the build was planned."""

    path: Path
    sha256: str

    @contextlib.contextmanager
    def open(self) -> Iterator[HashingReader]:
        """Its content, which has to be read to the end when the block is through.

        Raises:
            TrainyardError: it is another one than planned: a training has replaced it meanwhile.
        """
        with self.path.open("rb") as file:
            reader = HashingReader(file)
            yield reader
        if reader.digest.hexdigest() != self.sha256:
            raise TrainyardError(f"{self.path}: replaced while it was baked", "build again", EXIT_FAILED)


def files_of(models: Iterable[ModelDir]) -> tuple[BakedFile, ...]:
    """The binaries of models with their records and compiled forms, by name.

    Raises:
        TrainyardError: a model without a binary, or with one that its record does not vouch for.
    """
    found = [file for model in models for file in _files_of(model)]
    return tuple(sorted(found, key=lambda file: file.path.name))


def _files_of(model: ModelDir) -> Iterator[BakedFile]:
    binary = model.binary
    if not binary.is_file():
        raise TrainyardError(f"{binary}: no such binary to bake into an image", "run make train")
    file = BakedFile(binary, sha256_of(binary))
    yield file
    record = read_record(binary)
    if record is None:  # historical: what is baked is what there is
        return
    check_sha256(binary, model.model_name, file.sha256, record)
    yield BakedFile(record_path(binary), sha256_of(record_path(binary)))
    if (compiled := read_compiled(binary.parent, model.model_name)) is not None:
        sha256 = hashlib.sha256(compiled).hexdigest()
        yield BakedFile(binary.parent / compiled_name(model.model_name, sha256), sha256)


def described(files: Iterable[BakedFile]) -> str:
    """``rf.json=<sha256>,rf.pkl=<sha256>``: for the label and for BAKED_MODELS."""
    return ",".join(f"{file.path.name}={file.sha256}" for file in files)


def parse_baked(label: str) -> tuple[BakedFile, ...]:
    """What ``described`` has described, as far as their names and hashes go."""
    pairs = (item.partition("=") for item in label.split(",") if item)
    return tuple(BakedFile(Path(name), sha256) for name, _, sha256 in pairs)


def write_tar(files: Iterable[BakedFile], stream: IO[bytes]) -> None:
    """``models/`` with the files as a tar: root's, of one time, readable by all."""
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tar_entry(PurePosixPath("models"), 0o755, tarfile.DIRTYPE))
        for file in files:
            entry = tar_entry(PurePosixPath("models") / file.path.name, 0o644)
            with file.open() as content:
                entry.size = content.size
                archive.addfile(entry, content)


def write_files(files: Iterable[BakedFile], folder: Path) -> None:
    """Copies of the files in ``folder``."""
    for file in files:
        target = folder / file.path.name
        with file.open() as content, target.open("wb") as copy:
            while chunk := content.read(1 << 20):
                copy.write(chunk)
        target.chmod(0o644)
        os.utime(target, (OLDEST_TIME, OLDEST_TIME))
