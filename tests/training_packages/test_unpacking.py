"""Hostile archives: each is refused in one line, and nothing is written outside of the folder."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.support import unpacking
from trainyard.host.support.unpacking import is_archive, unpack

GB = 10**9


def tar_of(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


def zip_of(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


def link_in_zip() -> bytes:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return zip_of((link, b"/etc/passwd"))


def sparse() -> bytes:
    found = entry("sparse", tarfile.GNUTYPE_SPARSE)
    return tar_of((found, b""))


def huge_header() -> bytes:
    """A comment of 600 MB on the next file, of which tarfile would read all at once."""
    header = entry("x", tarfile.XHDTYPE)
    header.size = 600_000_000
    return gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(5_000_000))


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "path out": ("a.tar.gz", lambda: tar_of((entry("../out"), b"x")), "leads out of its folder"),
    "path out further in": ("a.tar.gz", lambda: tar_of((entry("a/../../out"), b"x")), "leads out of its folder"),
    "absolute": ("a.tar.gz", lambda: tar_of((entry("/tmp/trainyard-out"), b"x")), "leads out of its folder"),
    "control character": ("a.tar.gz", lambda: tar_of((entry("a\nb"), b"x")), "leads out of its folder"),
    "link": ("a.tar.gz", lambda: tar_of((entry("l", tarfile.SYMTYPE, "/etc"), b"")), "'l' is a link or a device"),
    "hard link": ("a.tar.gz", lambda: tar_of((entry("l", tarfile.LNKTYPE, "/etc/passwd"), b"")), "is a link"),
    "device": ("a.tar.gz", lambda: tar_of((entry("d", tarfile.CHRTYPE), b"")), "is a link or a device"),
    "pipe": ("a.tar.gz", lambda: tar_of((entry("p", tarfile.FIFOTYPE), b"")), "is a link or a device"),
    "sparse": ("a.tar.gz", sparse, "is a link or a device"),
    "twice": ("a.tar.gz", lambda: tar_of((entry("a"), b"x"), (entry("a"), b"y")), "is there twice"),
    "file and folder": ("a.tar.gz", lambda: tar_of((entry("a"), b"x"), (entry("a/b"), b"y")), "file and a folder"),
    "folder in a file": (
        "a.tar.gz",
        lambda: tar_of((entry("a"), b"x"), (entry("a/b", tarfile.DIRTYPE), b"")),
        "file and a folder",
    ),
    "long name": ("a.tar.gz", lambda: tar_of((entry("n" * 300), b"x")), "a name of 300 letters"),
    "deep": ("a.tar.gz", lambda: tar_of((entry("d/" * 40 + "f"), b"x")), "folders are in each other"),
    "many": ("a.tar", lambda: tar_of(*((entry(f"f{n}"), b"") for n in range(101))), "more than 100 files"),
    "bomb": ("a.tar.gz", lambda: tar_of((entry("zeros"), bytes(2_000_000))), "more than 200 times its own size"),
    "zip bomb": ("a.zip", lambda: zip_of(("zeros", bytes(2_000_000))), "more than 200 times its own size"),
    "huge header": ("a.tar.gz", huge_header, "a header of"),
    "empty": ("a.tar.gz", lambda: tar_of(), "there is no file in it"),
    "not one": ("a.tar.gz", lambda: b"<html>not here</html>", "not a readable archive"),
    "nothing": ("a.tar.gz", lambda: b"", "not a readable archive"),
    "not a zip": ("a.zip", lambda: b"PK\3\4 or so", "not a readable archive"),
    "truncated": ("a.tar.gz", lambda: tar_of((entry("a"), bytes(range(256)) * 999))[:-50], "not a readable archive"),
    "zip path out": ("a.zip", lambda: zip_of(("../out", b"x")), "leads out of its folder"),
    "zip of Windows": ("a.zip", lambda: zip_of(("..\\out", b"x")), "leads out of its folder"),
    "zip link": ("a.zip", link_in_zip, "'link' is a link or a device"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_refused(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_FILES", 100)
    monkeypatch.setattr(unpacking, "SMALL", 1 << 20)
    name, make, part = HOSTILE[case]
    archive = tmp_path / name
    archive.write_bytes(make())
    with pytest.raises(TrainyardError) as caught:
        unpack(archive, name, tmp_path / "target", GB)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "target"])


def test_more_than_the_limit(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar_of((entry("a"), bytes(2_000_000))))
    with pytest.raises(TrainyardError, match="set ASSETS_GB higher"):
        unpack(archive, "a.tar.gz", tmp_path / "target", 1_000_000)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_what_is_unpacked(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    plain = gzip.decompress(
        tar_of((entry("./", tarfile.DIRTYPE), b""), (entry("./a folder/ü.txt"), b"text"), (entry("b"), b""))
    )
    (tmp_path / "archive").write_bytes(pack(plain))
    unpack(tmp_path / "archive", "a.tar.gz", tmp_path / "target", GB)
    assert (tmp_path / "target" / "a folder" / "ü.txt").read_bytes() == b"text"
    assert (tmp_path / "target" / "b").stat().st_mode & 0o111 == 0


def test_a_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of(("m/", b""), ("m/a", b"text")))
    unpack(tmp_path / "a.zip", "a.zip", tmp_path / "target", GB)
    assert (tmp_path / "target" / "m" / "a").read_bytes() == b"text"


@pytest.mark.parametrize(("name", "expected"), [("m.TAR.GZ", True), ("m.zip", True), ("m.keras", False), ("m", False)])
def test_what_an_archive_is_called(name: str, *, expected: bool) -> None:
    assert is_archive(name) is expected
