"""Files on their way to a compute and back, as a stream of tar."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

from trainyard.contract.files import open_regular
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.compute.base import InputFile


def write_tar(
    stream: IO[bytes],
    files: Mapping[str, InputFile],
    folders: Iterable[str] = (),
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write files under the names that they are given; before them folders, and files that have a text.

    Raises:
        TrainyardError: one is not as it was when it was hashed.
        BrokenPipeError: whoever reads has ended.
    """
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, text in (texts or {}).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o600
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name, one in files.items():
            try:
                with open_regular(one.path) as content:
                    entry = tarfile.TarInfo(name)
                    entry.size, entry.mode = one.size, 0o644
                    archive.addfile(entry, content)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise TrainyardError(
                    f"{one.path}: {error.strerror or 'it changed while it was sent'}", "train again", EXIT_FAILED
                ) from None
    stream.close()


def unpack_tar(stream: IO[bytes] | io.RawIOBase, folder: Path) -> None:
    """Write what comes into ``folder``: regular files and folders; nothing leads out of it.

    Raises:
        TrainyardError: no space, no permission.
        tarfile.ReadError: it is cut off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.3 has none
            for entry in archive:
                place = PurePosixPath(entry.name)
                if place.is_absolute() or ".." in place.parts:
                    raise TrainyardError(f"what came back leads out of its folder: {place}", "", EXIT_FAILED)
                if entry.isreg() or entry.isdir():  # and no link that a name could lead through
                    archive.extract(entry, folder, set_attrs=False)
    except OSError as error:
        raise TrainyardError(f"{error.filename or folder}: {error.strerror}", "make room", EXIT_FAILED) from None
