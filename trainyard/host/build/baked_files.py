"""Binaries on their way into an image (BAKE=1): which files, and how they are handed over.

They are a layer of their own, the last one. Two builds from equal files give equal layers, byte for byte, so a registry
that has one of them is not sent the other: times, owner and modes are fixed.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import quote, unquote

from trainyard.contract.files import sha256_of
from trainyard.contract.model_files import BINARY, compiled_name, file_path, more_files
from trainyard.contract.records import (
    Record,
    binary_path,
    check_sha256,
    files_in_place,
    handing_on,
    is_trained,
    read_compiled,
    read_record,
    record_path,
)
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.support.context import OLDEST_TIME, tar_entry
from trainyard.host.support.hashed_files import HashingReader, open_hashed

LABEL_BAKED = "trainyard.model.sha256"  # of an image with binaries in it: ``file=sha256,...``


@dataclass(frozen=True)
class BakedFile:
    """A file below ``models/``, and the content that it had when the build was planned.

    ``name`` is its path there, ``models`` the folder, in which no link is followed; ``vouched``: the record says its
    sha256, and so the image's configuration need not.
    """

    path: Path
    sha256: str
    name: str
    vouched: bool = False
    models: Path = Path()

    def open(self) -> AbstractContextManager[HashingReader]:
        """Its content, which has to be read to the end when the block is through.

        Raises:
            TrainyardError: it is another one than planned: a training has replaced it meanwhile.
        """
        return open_hashed(self.path, self.sha256, self.models)


def files_of(models: Iterable[ModelDir]) -> tuple[BakedFile, ...]:
    """The binaries of models with their records and compiled forms, by name.

    Raises:
        TrainyardError: a model without a binary, or with one that its record does not vouch for.
    """
    found = [file for model in models for file in files_beside(model.binary.parent, model.model_name)]
    return tuple(sorted(found, key=lambda file: file.name))


def files_beside(models: Path, name: str) -> list[BakedFile]:
    """Those of the model of that name in a folder like models/; raises likewise."""
    with handing_on():
        return list(_files_beside(models, name))


def _files_beside(models: Path, name: str) -> Iterator[BakedFile]:
    binary = binary_path(models, name)
    if not is_trained(binary, links=False):
        raise TrainyardError(f"{binary}: no such binary to bake into an image", "run make train")
    record = read_record(binary, links=False)
    try:
        if record is None:  # historical: what is baked is what there is
            yield BakedFile(binary, sha256_of(binary, models), binary.name, models=models)
            return
        if binary.is_file():
            check_sha256(binary, name, sha256_of(binary, models), record)
        path = record_path(binary)
        yield BakedFile(path, sha256_of(path, models), path.name, models=models)
        more = more_files(record, name)
        for file, sha256 in _in_place(binary, record).items():
            yield BakedFile(file_path(models, name, file), sha256, file, file in more, models)
    except OSError as error:
        raise TrainyardError(f"{error.filename}: cannot be read ({error.strerror})", "check the file") from None


def _in_place(binary: Path, record: Record) -> dict[str, str]:
    """The model's files; a training that was killed may have left a pickle without others of the version before."""
    name, models = binary.name.removesuffix(BINARY), binary.parent
    sha256_there = partial(sha256_of, below=models)
    if more_files(record, name):
        return files_in_place(models, name, record, sha256_there)
    files = {binary.name: sha256_there(binary)} if binary.is_file() else {}
    if (compiled := read_compiled(models, name, links=False)) is not None:
        sha256 = hashlib.sha256(compiled).hexdigest()
        files[compiled_name(name, sha256)] = sha256
    return files


def described(files: Iterable[BakedFile]) -> str:
    """``rf.json=<sha256>,rf.pkl=<sha256>``: for BAKED_MODELS. The record vouches for files that are not in it."""
    return ",".join(f"{file.name}={file.sha256}" for file in files if not file.vouched)


def listed(files: Iterable[BakedFile]) -> str:
    """The same of every file, for the label; their names are written as in a URL."""
    return ",".join(f"{quote(file.name)}={file.sha256}" for file in files)


def parse_baked(label: str) -> tuple[BakedFile, ...]:
    """What ``listed`` has listed, as far as their names and hashes go."""
    pairs = (item.partition("=") for item in label.split(",") if item)
    return tuple(BakedFile(Path(unquote(name)), sha256, unquote(name)) for name, _, sha256 in pairs)


def write_tar(files: Iterable[BakedFile], stream: IO[bytes]) -> None:
    """``models/`` with the files as a tar: root's, of one time, readable by all."""
    with tarfile.open(fileobj=stream, mode="w") as archive:
        made: set[PurePosixPath] = set()
        for file in files:
            path = PurePosixPath("models") / file.name
            for folder in [*reversed(path.parents[:-1])]:
                if folder not in made:
                    archive.addfile(tar_entry(folder, 0o755, tarfile.DIRTYPE))
                    made.add(folder)
            entry = tar_entry(path, 0o644)
            with file.open() as content:
                entry.size = content.size
                archive.addfile(entry, content)


def write_files(files: Iterable[BakedFile], folder: Path) -> None:
    """Copies of the files in ``folder``."""
    for file in files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open() as content, target.open("wb") as copy:
            while chunk := content.read(1 << 20):
                copy.write(chunk)
        target.chmod(0o644)
        os.utime(target, (OLDEST_TIME, OLDEST_TIME))
