"""Packages that lie beside a model, as files that a lock can name by their hash: wheels and source distributions."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

FOLDER = "local_packages"  # in the context of what installs; builders/common/installing.sh names it, too
_STAMP = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can say


@dataclass(frozen=True)
class LocalPackage:
    """A file that installers take a package from. ``metadata`` is its METADATA: what it depends on is known without
    running it."""

    name: str
    version: str
    filename: str
    content: bytes = field(repr=False)
    metadata: str = field(repr=False)

    @property
    def hash(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def for_resolving(self) -> tuple[str, bytes]:
        """Name and content of a wheel with the same metadata, so that nothing has to be built to resolve."""
        if self.filename.endswith(".whl"):
            return self.filename, self.content
        stem = f"{re.sub('[-_.]+', '_', self.name)}-{self.version}"
        info = f"{stem}.dist-info"
        wheel = "Wheel-Version: 1.0\nGenerator: trainyard\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        names = {f"{info}/METADATA": self.metadata, f"{info}/WHEEL": wheel}
        record = "".join(f"{name},,\n" for name in (*names, f"{info}/RECORD"))
        files = [(name, text.encode(), False) for name, text in {**names, f"{info}/RECORD": record}.items()]
        return f"{stem}-py3-none-any.whl", packed(files)


def packed(files: list[tuple[str, bytes, bool]]) -> bytes:
    """A zip of (name, content, executable): equal files give equal bytes on every machine, so nothing is compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, executable in files:
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.create_system, entry.external_attr = 3, (0o755 if executable else 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def read_archive(path: Path) -> LocalPackage:
    """A wheel or a source distribution.

    Raises:
        ValueError: it is damaged, or what it depends on is only known to who builds it.
        OSError: it cannot be read.
    """
    from email.parser import HeaderParser  # only who has such a package waits for it

    content = path.read_bytes()
    metadata = _metadata_of(path, content)
    headers = HeaderParser().parsestr(metadata)
    if path.suffix != ".whl" and not _says_all(headers):
        raise ValueError("what it depends on is known only to who builds it")
    name, version = headers.get("Name", ""), headers.get("Version", "")
    if not (name and version):
        raise ValueError("it does not say its name and version")
    return LocalPackage(name, version, path.name, content, metadata)


def _says_all(headers: Message) -> bool:
    """Metadata 2.2: what a source distribution says is what its wheels say, but for the fields that it lists."""
    version = tuple(int(part) for part in re.findall(r"\d+", headers.get("Metadata-Version", "")))
    computed = {field.lower() for field in headers.get_all("Dynamic", [])}
    return version >= (2, 2) and not computed & {"requires-dist", "version", "requires-python", "provides-extra"}


def _metadata_of(path: Path, content: bytes) -> str:
    try:
        if path.name.endswith(".tar.gz"):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                name = next(one for one in archive.getnames() if re.fullmatch("[^/]+/PKG-INFO", one))
                file = archive.extractfile(name)
                return file.read().decode() if file else ""
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            pattern = r"[^/]+\.dist-info/METADATA" if path.suffix == ".whl" else "[^/]+/PKG-INFO"
            return archive.read(next(one for one in archive.namelist() if re.fullmatch(pattern, one))).decode()
    except (StopIteration, zipfile.BadZipFile, tarfile.TarError, UnicodeDecodeError, EOFError):
        raise ValueError("it is damaged, or no package") from None
