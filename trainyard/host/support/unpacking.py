"""Archives of strangers, unpacked: nothing leaves the folder, nothing but plain files and folders, within limits."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from trainyard.errors import EXIT_FAILED, TrainyardError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_FILES = 10_000
RATIO = 200  # bytes for one byte of the archive, once there are more than SMALL
SMALL = 100 << 20  # bytes, of which any ratio is taken
DEEPEST = 32  # folders in each other
_LONGEST, _LONGEST_PART = 1024, 255  # bytes of a path, and of a name in it
_PIECE = 1 << 20  # bytes copied at a time
_HEADER = 1 << 20  # bytes of what a tar says of one file
_ENCRYPTED = 0x1
_READERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open
}  # fmt: skip
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError,
    UnicodeError, RuntimeError,
)  # fmt: skip


def is_archive(name: str) -> bool:
    """Whether a file of that name is one to unpack: a model may be a zip by itself, under another name."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, name: str, target: Path, most: int) -> None:
    """Unpack into the folder ``target``, which is made; on an error some files may be there.

    Args:
        archive: the file.
        name: of the archive, for messages; what its end says it is is looked at in its content, too.
        target: where to.
        most: bytes that all files may have together.

    Raises:
        TrainyardError: it is no archive, is damaged, or holds what it must not.
        OSError: no space, no permission.
    """
    target.mkdir(parents=True)
    writer = _Writer(name, target, most, archive.stat().st_size)
    try:
        if name.lower().endswith(".zip"):
            _unzip(archive, writer)
        else:
            _untar(archive, writer)
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise writer.refusal(f"not a readable archive ({reason})", "fetch it again, or publish it again") from None
    if not writer.files:
        raise writer.refusal("there is no file in it", "publish it again")


@dataclass
class _Writer:
    """Writes what is in an archive, as long as that is harmless."""

    name: str
    target: Path
    most: int
    packed: int  # bytes of the archive
    files: int = 0
    entries: int = 0
    size: int = 0

    def refusal(self, what: str, fix: str = "publish an archive without that") -> TrainyardError:
        return TrainyardError(f"{self.name}: {what}", fix, EXIT_FAILED)

    def count(self, more: int) -> None:
        """Bytes that were unpacked, or read on the way."""
        self.size += more
        if self.size > self.most:
            raise self.refusal(
                f"more than {self.most / 1e9:g} GB come out of it", "set ASSETS_GB higher, if that is right"
            )
        if self.size > SMALL and self.size > RATIO * self.packed:
            raise self.refusal(f"more than {RATIO} times its own size comes out of it", "publish it less compressed")

    def folder(self, path: str) -> None:
        place = self._place(path.rstrip("/"))
        with self._as_one_thing(path):
            place.mkdir(parents=True, exist_ok=True)

    def file(self, path: str, content: IO[bytes], *, counted: bool) -> None:
        """``counted``: whoever reads for ``content`` counts the bytes."""
        place = self._place(path)
        self.files += 1
        with self._as_one_thing(path):
            place.parent.mkdir(parents=True, exist_ok=True)
            file = place.open("xb")
        with file:
            while piece := content.read(_PIECE):
                if not counted:
                    self.count(len(piece))
                file.write(piece)

    @contextmanager
    def _as_one_thing(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileExistsError, NotADirectoryError):
            raise self.refusal(f"{path!r} is there twice, or as a file and a folder") from None

    def _place(self, path: str) -> Path:
        self.entries += 1
        if self.entries > MOST_FILES:
            raise self.refusal(f"more than {MOST_FILES:,} files are in it")
        plain = path.removeprefix("./")
        if plain in ("", "."):
            return self.target
        parts = plain.split("/")
        if plain.startswith("/") or {"", ".", ".."} & set(parts) or re.search(r"[\x00-\x1f\x7f\\]", plain):
            raise self.refusal(f"{path!r} leads out of its folder, or nowhere")
        too_long = len(plain.encode(errors="surrogatepass")) > _LONGEST
        if too_long or any(len(part.encode(errors="surrogatepass")) > _LONGEST_PART for part in parts):
            raise self.refusal(f"a name of {len(plain):,} letters is in it")
        if len(parts) > DEEPEST:
            raise self.refusal(f"more than {DEEPEST} folders are in each other")
        return self.target / PurePosixPath(plain)


def _unzip(path: Path, writer: _Writer) -> None:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise writer.refusal(f"{entry.filename!r} is a link or a device")
            if entry.flag_bits & _ENCRYPTED:
                raise writer.refusal(f"{entry.filename!r} has a password")
            if entry.is_dir():
                writer.folder(entry.filename)
                continue
            with archive.open(entry) as content:
                writer.file(entry.filename, content, counted=False)


def _untar(path: Path, writer: _Writer) -> None:
    with _unpacked(path) as content, tarfile.open(fileobj=_Counted(content, writer), mode="r:") as archive:
        for entry in archive:
            if entry.isdir():
                writer.folder(entry.name)
            elif entry.isreg() and not entry.issparse():
                found = archive.extractfile(entry)
                if found is None:
                    raise writer.refusal(f"{entry.name!r} cannot be read")
                writer.file(entry.name, found, counted=True)
            else:
                raise writer.refusal(f"{entry.name!r} is a link or a device")


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """A tar without its compression, whatever its name says of that."""
    with path.open("rb") as file:
        start = file.read(6)
    reader = next((reader for mark, reader in _READERS.items() if start.startswith(mark)), None)
    with reader(path) if reader else path.open("rb") as content:
        yield content


class _Counted(io.RawIOBase):
    """What is read forward only, and counted: a header that claims to be large is not read at all."""

    def __init__(self, content: IO[bytes], writer: _Writer) -> None:
        self._content, self._writer, self._at = content, writer, 0

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= max(_PIECE, _HEADER):
            raise tarfile.ReadError(f"a header of {size} bytes")
        found = self._content.read(size)
        self._at += len(found)
        self._writer.count(len(found))
        return found

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence or offset < self._at:
            raise tarfile.ReadError("its parts overlap")
        while self._at < offset and self.read(min(_PIECE, offset - self._at)):
            pass
        return self._at
