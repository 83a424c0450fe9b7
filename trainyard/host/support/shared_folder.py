"""A folder that containers write to, too: ``runs/<id>/`` or ``models/``. What the host does there stays in there.

Whatever the code of a model has left: no link is followed, nothing but regular files is opened.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from trainyard.contract.beneath import folder_below, open_below, parts_of
from trainyard.contract.files import CHUNK, read_json, sha256_of


@dataclass(frozen=True)
class SharedFolder:
    """The folder ``name`` below ``base``: the latter is ours, and may be reached by links.

    Files are named by their paths in the folder. Every method raises OSError, with the file's path, where a part of
    that path is a link, where it leads out of the folder, and where what should be a file is none.
    """

    base: Path
    name: str = ""

    @classmethod
    def of_run(cls, folder: Path) -> SharedFolder:
        """``runs/<id>``. A worker of a tuning may put anything in its place: all of runs/ is mounted there."""
        return cls(folder.parent, folder.name)

    @property
    def path(self) -> Path:
        return self.base / self.name

    def open(self, name: str) -> IO[bytes]:
        """A file, open for reading."""
        return os.fdopen(open_below(self.base, self._below(name)), "rb")

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    def read_json(self, name: str) -> Any:
        """Raises ValueError where it is not JSON, as ``files.read_json``."""
        return read_json(self.path / name, below=self.base)[0]

    def sha256(self, name: str) -> str:
        return sha256_of(self.path / name, below=self.base)

    def is_file(self, name: str) -> bool:
        """Whether it is there and can be opened."""
        try:
            self.open(name).close()
        except OSError:
            return False
        return True

    def append(self, name: str) -> IO[bytes]:
        """A file, open for writing at its end, without a buffer; it is made where it is not there."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return os.fdopen(open_below(self.base, self._below(name), flags), "ab", buffering=0)

    def write(self, name: str, content: bytes | str) -> None:
        """Write it whole or not at all, in the place of what is there, which may be a link."""
        self.put(name, io.BytesIO(content.encode() if isinstance(content, str) else content))

    def put(self, name: str, content: IO[bytes]) -> None:
        """The same with what is to be read from ``content``."""
        path = PurePosixPath(self._below(name))
        part = f".{path.name}.{secrets.token_hex(4)}.part"
        with folder_below(self.base, str(path.parent)) as folder:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    shutil.copyfileobj(content, file, CHUNK)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)

    def make_folder(self, name: str) -> None:
        """Where it is not there."""
        with folder_below(self.base, self._below(name), make=True):
            pass

    def remove(self, name: str) -> None:
        """A file, a link itself, or a folder with all that is in it; nothing where there is none."""
        path = PurePosixPath(self._below(name))
        with contextlib.suppress(FileNotFoundError), folder_below(self.base, str(path.parent)) as folder:
            if stat.S_ISDIR(os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(path.name, dir_fd=folder)
            else:
                os.unlink(path.name, dir_fd=folder)

    def rename(self, name: str, new: str) -> None:
        """A file, a link itself or a folder, in its own folder; what has the new name already is replaced."""
        path, target = PurePosixPath(self._below(name)), PurePosixPath(self._below(new))
        with folder_below(self.base, str(path.parent)) as folder, folder_below(self.base, str(target.parent)) as other:
            os.rename(path.name, target.name, src_dir_fd=folder, dst_dir_fd=other)

    def size(self, name: str) -> int:
        """The bytes that removing a file, a link or a folder frees, as ``files.size_of``; 0 where there is none."""
        path = PurePosixPath(self._below(name))
        with contextlib.suppress(FileNotFoundError), folder_below(self.base, str(path.parent)) as folder:
            found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                return found.st_size
            return sum(one.st_size for _, one in SharedFolder(self.base, str(path)).files() if one.st_nlink == 1)
        return 0

    def has(self, name: str) -> bool:
        """Whether there is anything of that name, be it a link that leads nowhere."""
        path = PurePosixPath(self._below(name))
        with contextlib.suppress(OSError), folder_below(self.base, str(path.parent)) as folder:
            os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            return True
        return False

    def names(self, name: str = "") -> list[str]:
        """What lies in the folder, or in one in it, sorted."""
        with folder_below(self.base, self._below(name)) as folder:
            return sorted(os.listdir(folder))  # noqa: PTH208 -- of a descriptor

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every regular file in it and in its folders, by its path, with what the system knows of it; unsorted."""
        with folder_below(self.base, self.name) as folder:
            for parent, _, names, descriptor in os.fwalk(".", dir_fd=folder):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        if stat.S_ISREG(found.st_mode):
                            yield str(PurePosixPath(parent, name)), found

    def copy_to(self, name: str, target: Path) -> None:
        """A copy of a file at ``target``, outside of the folder."""
        with self.open(name) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, CHUNK)

    def link_to(self, name: str, target: Path) -> None:
        """Another name of a file at ``target``, outside of the folder; a copy where the file system has no such."""
        path = PurePosixPath(self._below(name))
        try:
            with folder_below(self.base, str(path.parent)) as folder:
                os.link(path.name, target, src_dir_fd=folder, follow_symlinks=False)
        except OSError:
            self.copy_to(name, target)
            return
        if not stat.S_ISREG(target.lstat().st_mode):
            target.unlink()
            self.open(name).close()  # says what it is
            raise FileNotFoundError(target)

    def _below(self, name: str) -> str:
        return str(PurePosixPath(self.name, *parts_of(name, self.path)))
