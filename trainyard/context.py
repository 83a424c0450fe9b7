"""Build contexts: which files go into an image, and where. Choosing them is pure; writing them out acts.

.s2i/environment  requirements.txt  requirements.lock  setup.sh     of the model, at the root
<project>/<model>/  <project>/common_utils/                         as Python packages
common_utils/  utils/                                               shared by every project
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.files import read_text
from trainyard.model_dir import ModelDir
from trainyard.requirements.requirement_files import model_requirement

SHARED = ("common_utils", "utils")
# Never part of an image: state, secrets, what is mounted, what is said elsewhere in the context.
EXCLUDED_NAMES = (
    ".git", ".venv", ".env", ".env.*", ".trainyard", "__pycache__", "*.pyc", ".ipynb_checkpoints", ".DS_Store",
    "*.pem", "*.key", "id_rsa*", "id_ed25519*", ".netrc", ".aws", ".ssh",
)  # fmt: skip
OLDEST_TIME = 315532800  # 1980-01-01, the first time that a zip can say; SOURCE_DATE_EPOCH overrides it in images
EXCLUDED_AT_TOP = (
    "data", "models", ".s2i", "Makefile", "requirements*", "setup.sh", "uv.lock", "pylock.toml", "pylock.*.toml",
    # These reach the train function as parameters.
    "config.yaml", "hyperparameters.yaml", "experiment.yaml", "exp_config.json",
)  # fmt: skip


@dataclass(frozen=True)
class ContextFile:
    """One file of a context: its place in it, its content, whether it can be run."""

    path: PurePosixPath
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Context:
    """The files of a build context, sorted by path."""

    files: tuple[ContextFile, ...]

    @functools.cached_property
    def sha256(self) -> str:
        """Over paths, modes and contents: equal contexts have equal hashes, whatever their times and owners."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.path}\0{int(file.executable)}\0{len(file.content)}\0".encode())
            digest.update(file.content)
        return digest.hexdigest()

    def tar(self, below: str) -> bytes:
        """A tar of the files below the folder ``below``: root's, of time 0, readable by all.

        It ends with its end-of-archive mark and is not padded further to a whole record, as POSIX has it for tapes:
        an engine that stops reading at the mark may fail for what it left unread (buildah issue 6573).
        """
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for folder in sorted(self._folders(below), key=lambda path: path.parts):
                archive.addfile(tar_entry(folder, 0o755, tarfile.DIRTYPE))
            for file in self.files:
                entry = tar_entry(PurePosixPath(below) / file.path, 0o755 if file.executable else 0o644)
                entry.size = len(file.content)
                archive.addfile(entry, io.BytesIO(file.content))
            end = archive.offset + 2 * tarfile.BLOCKSIZE
        return buffer.getvalue()[:end]

    def write(self, folder: Path) -> None:
        """Write the files below ``folder``."""
        for file in self.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(0o755 if file.executable else 0o644)
            os.utime(target, (OLDEST_TIME, OLDEST_TIME))  # equal builds give equal file systems

    def _folders(self, below: str) -> set[PurePosixPath]:
        folders = {PurePosixPath(below)}
        for file in self.files:
            folders.update(PurePosixPath(below) / parent for parent in file.path.parents)
        return folders


def tar_entry(path: PurePosixPath, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Root's, and of one time: equal files give equal archives."""
    entry = tarfile.TarInfo(str(path))
    entry.mode, entry.type, entry.mtime = mode, kind, OLDEST_TIME
    return entry


def make_context(files: list[ContextFile]) -> Context:
    """Sort the files; of two with one path the later wins."""
    return Context(tuple(file for _, file in sorted({str(file.path): file for file in files}.items())))


def model_context(model: ModelDir, role: str, lock: str) -> Context:
    """The context of one model's train or predict image."""
    return make_context(
        [
            text_file(".s2i/environment", (model.path / ".s2i" / "environment").read_bytes()),
            text_file("requirements.txt", model_requirement(model, role).text.encode()),
            text_file("requirements.lock", lock.encode()),
            *([text_file("setup.sh", model.setup.read_bytes())] if model.setup else []),
            *shared_files(model.root),
            *project_files(model.project),
            *model_files(model.path),
        ]
    )


def text_file(path: str, content: bytes) -> ContextFile:
    return ContextFile(PurePosixPath(path), content)


def shared_files(root: Path) -> Iterator[ContextFile]:
    """The folders at the top that every model may import."""
    for name in SHARED:
        yield from tree(root / name, PurePosixPath(name))


def project_files(project: Path) -> Iterator[ContextFile]:
    """What the models of one project share."""
    yield from tree(project / "common_utils", PurePosixPath(project.name) / "common_utils")
    if (init := project / "__init__.py").is_file():
        yield text_file(f"{project.name}/__init__.py", init.read_bytes())


def model_files(model: Path) -> Iterator[ContextFile]:
    """A model's own sources, its sample and whatever else lies beside them, but for data, binaries and wiring."""
    ignored = EXCLUDED_AT_TOP + _s2iignore(model)
    yield from tree(model, PurePosixPath(model.parent.name) / model.name, ignored)


def tree(folder: Path, target: PurePosixPath, ignored: tuple[str, ...] = ()) -> Iterator[ContextFile]:
    """The files below ``folder``, as files below ``target``; ``ignored`` patterns hold for paths below ``folder``.

    Raises:
        TrainyardError: a file that cannot be read, a symbolic link that leads nowhere. Other links are followed.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = path.name
        if excluded(name, ignored):
            continue
        if path.is_dir():
            nested = tuple(p.removeprefix(f"{name}/") for p in ignored if p.startswith(f"{name}/"))
            yield from tree(path, target / name, nested)
        elif path.is_file():
            try:
                yield ContextFile(target / name, path.read_bytes(), os.access(path, os.X_OK))
            except OSError as error:
                raise TrainyardError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from None
        else:
            raise TrainyardError(
                f"{path}: not a file (a dangling link, a socket?)", "remove it, or list it in .s2iignore"
            )


def excluded(name: str, also: tuple[str, ...] = ()) -> bool:
    """Whether a file or folder of that name stays out of contexts; ``also`` are more patterns."""
    return _excluding(also)(name) is not None


@functools.cache
def _excluding(also: tuple[str, ...]) -> Callable[[str], object]:
    """One expression for all patterns: large monorepos ask for some hundred thousand names."""
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in EXCLUDED_NAMES + also)).match


def _s2iignore(model: Path) -> tuple[str, ...]:
    """The patterns of ``.s2iignore``; as in s2i, a pattern without a slash matches at the top level only."""
    path = model / ".s2iignore"
    if not path.is_file():
        return ()
    lines = (line.strip() for line in read_text(path).splitlines())
    return tuple(line.strip("/") for line in lines if line and not line.startswith("#"))
