"""Several files written or removed, or none of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_together(contents: Mapping[Path, bytes | None]) -> None:
    """Write each content to its path; the permissions of a file that is there stay. None: the file goes.

    All of it is on disk, beside the files, before the first one is replaced. On a failure, or Ctrl-C, those that were
    replaced are what they were.

    Raises:
        OSError: no permission, no space.
    """
    beside: list[Path] = []
    replaced: list[tuple[Path, Path | None]] = []
    try:
        ready = [
            (path, None if content is None else _staged(path, content, beside), _kept(path, beside))
            for path, content in contents.items()
        ]
        for path, new, old in ready:
            replaced.append((path, old))
            new.replace(path) if new else path.unlink(missing_ok=True)
    except BaseException:
        for path, old in reversed(replaced):
            path.unlink(missing_ok=True) if old is None else old.replace(path)
        raise
    finally:
        for path in beside:
            path.unlink(missing_ok=True)


def _staged(path: Path, content: bytes, beside: list[Path]) -> Path:
    new = _beside(path, beside)
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    umask = os.umask(0)
    os.umask(umask)
    new.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~umask)
    return new


def _kept(path: Path, beside: list[Path]) -> Path | None:
    """A copy of what is there; None where nothing is."""
    if not path.exists():
        return None
    old = _beside(path, beside)
    shutil.copy2(path, old)
    return old


def _beside(path: Path, beside: list[Path]) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    beside.append(Path(name))
    return beside[-1]
