"""Opens files below a folder without following a link: openat(2) with O_NOFOLLOW, one part of the path at a time.

Code of a model may put a link, a pipe or a device wherever the host expects a file, and at any moment. So the host
opens the folder first, and what it then opens, writes or removes is in that folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ALWAYS = os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def folder_below(base: Path, name: str = "", *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder ``name`` below ``base``; ``make``: those that are not there are made.

    ``base`` itself may be a link: it is ours, what is below it is not.

    Raises:
        OSError: a part of ``name`` is a link, not a folder or not there, or ``name`` leads out of ``base``.
    """
    here = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        done = base
        for part in parts_of(name, base):
            done /= part
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=here)
            inner = _open(part, os.O_RDONLY | os.O_DIRECTORY, here, done)
            os.close(here)
            here = inner
        yield here
    finally:
        os.close(here)


def open_below(base: Path, name: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file ``name`` below ``base``. It never waits, as for a pipe that nobody writes to.

    Raises:
        OSError: as ``folder_below``; or it is no regular file, and has not been opened.
    """
    path = PurePosixPath(name)
    with folder_below(base, str(path.parent)) as folder:
        return _open(path.name, flags | os.O_NONBLOCK | os.O_NOCTTY, folder, base / name)


def parts_of(name: str, base: Path) -> tuple[str, ...]:
    """The parts of a path below ``base``.

    Raises:
        OSError: it leads out of ``base``.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise OSError(errno.EINVAL, "leads out of its folder", str(base / name))
    return path.parts


def _open(part: str, flags: int, folder: int, shown: Path) -> int:
    _check(part, flags, folder, shown)
    try:
        descriptor = os.open(part, flags | _ALWAYS, 0o666, dir_fd=folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(shown)) from None
    if not flags & os.O_DIRECTORY and not stat.S_ISREG(os.fstat(descriptor).st_mode):  # put there just now
        os.close(descriptor)
        raise _not_regular(shown)
    return descriptor


def _check(part: str, flags: int, folder: int, shown: Path) -> None:
    """What is refused is not even opened: to open a device may do something."""
    try:
        mode = os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return  # opening it says what is wrong
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "a link, which is not followed", str(shown))
    if not flags & os.O_DIRECTORY and not stat.S_ISREG(mode):
        raise _not_regular(shown)


def _not_regular(shown: Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(shown))
