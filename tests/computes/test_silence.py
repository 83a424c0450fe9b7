"""A program that reaches a compute, and does not hear from it any more."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.compute.base import AwayError
from trainyard.host.compute.talking import Lively, talking
from trainyard.host.compute.tar_streams import unpack_tar
from trainyard.host.support.command import Limit


def failure(status: int, text: str) -> TrainyardError:
    return TrainyardError(f"{status} {text}")


def archive(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("models/model.pkl")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def unpack(path: Path, folder: Path, then: str) -> None:
    """What comes from a program that prints the file, a part of it later."""
    script = f"head -c 100000 {path}; {then}; tail -c +100001 {path}"
    with talking("far", ["sh", "-c", script], Limit("COPY_TIMEOUT", 60), failure) as (_, stdout):
        unpack_tar(Lively(stdout, "far", Limit("CALL_TIMEOUT", 1)), folder)


def test_what_falls_silent_is_away(tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(archive(b"x" * 200_000))
    with pytest.raises(AwayError, match="silent for 1 s"):
        unpack(tmp_path / "tar", tmp_path / "there", "sleep 30")


def test_what_is_slow_arrives_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 800
    (tmp_path / "tar").write_bytes(archive(content))
    unpack(tmp_path / "tar", tmp_path / "there", "sleep 0.3")
    assert (tmp_path / "there/models/model.pkl").read_bytes() == content
