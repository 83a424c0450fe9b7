"""Which files go into an image, and where. Nothing is read through a link that leads out of the monorepo.

.s2i/environment  requirements.txt  requirements.lock  setup.sh     of the model, at the root
<project>/<model>/  <project>/common_utils/                         as Python packages
common_utils/  utils/                                               shared by every project
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath

from trainyard.contract.files import link_target, open_regular
from trainyard.contract.namesakes import MOUNTED
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.s2iignore import Ignored, read_ignored
from trainyard.host.support.context import Context, ContextFile, LeftOut, make_context, only_files, text_file
from trainyard.host.support.hashed_files import HashedFile, hashed
from trainyard.host.support.reporter import SILENT, Reporter

SHARED = ("common_utils", "utils")
NOTICED = "may hold credentials"
# Never part of an image, by the reason that is given where somebody could miss it.
EXCLUDED = {
    NOTICED: (".env", ".env.*", "*.pem", "*.key", "id_rsa*", "id_ed25519*", ".netrc", ".aws", ".ssh"),
    "": (
        ".git", ".venv", ".trainyard", "__pycache__", "*.pyc", ".ipynb_checkpoints", ".DS_Store",
        ".cache", ".uv_cache", ".pytest_cache", ".mypy_cache", ".ruff_cache",
    ),
}  # fmt: skip
EXCLUDED_NAMES = tuple(name for names in EXCLUDED.values() for name in names)
# At the top of a model's folder: what is mounted, what is elsewhere in the context.
EXCLUDED_AT_TOP = (
    *MOUNTED, ".s2i", "Makefile", "requirements*", "setup.sh", "uv.lock", "pylock.toml", "pylock.*.toml",
    ".copier-answers.yml", "sample_training_data",
    # These reach the train function as parameters.
    "config.yaml", "hyperparameters.yaml", "experiment.yaml", "exp_config.json",
)  # fmt: skip
IN_MEMORY = 4 << 20  # bytes of a folder's files that are kept; what comes on top is hashed and read again
HERE = PurePosixPath()
SETUP = "setup.sh"
NOT_FOR_SETUP = (*MOUNTED, ".s2i", "Makefile", SETUP, "test")  # `test` is a command
_WORD = re.compile(r"[\w.*?+@-]+")  # of a shell script: a part of a path, or a pattern
IGNORING = "list it in .s2iignore"


def model_context(model: ModelDir, requirements: str, lock: str) -> Context:
    """The context of one model's image for the role that ``requirements`` and ``lock`` are of."""
    return make_context(
        [
            text_file(".s2i/environment", read_own(model.path / ".s2i" / "environment", model.root)),
            text_file("requirements.txt", requirements.encode()),
            text_file("requirements.lock", lock.encode()),
            *([text_file(SETUP, read_setup(model))] if model.setup else []),
            *shared_files(model.root),
            *project_files(model.project, model.root),
            *model_files(model),
        ]
    )


def read_setup(model: ModelDir) -> bytes:
    """The model's setup.sh, with line ends that a shell reads; empty where there is none."""
    return read_own(model.setup, model.root).replace(b"\r\n", b"\n") if model.setup else b""


def setup_files(model: ModelDir) -> list[ContextFile]:
    """What lies beside a model's setup.sh and has a name that stands in it: it is there where the script is run."""
    words = set(_WORD.findall(read_setup(model).decode(errors="replace")))
    patterns = [word for word in words if re.search(r"\w", word)]
    walk = _Walk(model.path, HERE, model.root, read_ignored(model.path))
    return only_files(
        found
        for path in _entries(model.path)
        if not excluded(path.name, NOT_FOR_SETUP) and any(fnmatch.fnmatchcase(path.name, word) for word in patterns)
        for found in walk.entry(path, PurePosixPath(path.name), (model.path,))
    )


def shared_files(root: Path) -> Iterator[ContextFile | LeftOut]:
    """The folders at the top that every model may import."""
    for name in SHARED:
        yield from tree(root / name, PurePosixPath(name), root)


def project_files(project: Path, root: Path) -> Iterator[ContextFile | LeftOut]:
    """What the models of one project share."""
    yield from tree(project / "common_utils", PurePosixPath(project.name) / "common_utils", root)
    if (init := project / "__init__.py").is_file():
        yield text_file(f"{project.name}/__init__.py", read_own(init, root))


def model_files(model: ModelDir) -> Iterator[ContextFile | LeftOut]:
    """A model's own sources, its sample and whatever else lies beside them, but for data, binaries and wiring."""
    target = PurePosixPath(model.project.name) / model.path.name
    yield from _Walk(model.path, target, model.root, read_ignored(model.path)).below(HERE)


def tree(folder: Path, target: PurePosixPath, root: Path) -> Iterator[ContextFile | LeftOut]:
    """The files below ``folder``, as files below ``target``; none where it is not there.

    Raises:
        TrainyardError: a file that cannot be read, or is none; a name that is not UTF-8; a link that leads nowhere, out
            of ``root``, or to what never gets into an image. Other links are followed.
    """
    if folder.is_symlink():
        _check_link(folder, root, ())
    if folder.is_dir():
        yield from _Walk(folder, target, root).below(HERE)


def read_own(path: Path, root: Path) -> bytes:
    """The content of a file that a context has under a name of its own.

    Raises:
        TrainyardError: it cannot be read, or is a link as ``tree`` refuses them.
    """
    if path.is_symlink():
        _check_link(path, root, ())
    with _readable(path), open_regular(path) as file:
        return file.read()


@dataclass
class _Walk:
    """Through ``folder``, whose files come below ``target``; a model's has its ``ignored`` paths."""

    folder: Path
    target: PurePosixPath
    root: Path
    ignored: Ignored | None = None
    room: int = IN_MEMORY
    reporter: Reporter = SILENT

    @property
    def _ignoring(self) -> str:
        return f", or {IGNORING}" if self.ignored else ""

    def below(self, inside: PurePosixPath, around: tuple[Path, ...] = ()) -> Iterator[ContextFile | LeftOut]:
        """The files of the folder ``inside``, as seen from where the walk began."""
        folder = self.folder / inside
        around = (*around, folder.resolve())
        for path in _entries(folder):
            here = inside / path.name
            reason = self._reason(here)
            if reason is None:
                yield from self.entry(path, here, around)
            elif reason:
                yield LeftOut(PurePosixPath(shown(self.target / here)), reason)

    def entry(self, path: Path, here: PurePosixPath, around: tuple[Path, ...]) -> Iterator[ContextFile | LeftOut]:
        """What is at ``path``, which is ``here`` as seen from where the walk began."""
        if not _is_utf8(path.name):
            raise TrainyardError(f"{shown(path)}: the name is not UTF-8", f"rename it{self._ignoring}")
        if path.is_symlink():
            _check_link(path, self.root, around, self._ignoring)
        with _readable(path):
            found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            yield from self.below(here, around)
        elif stat.S_ISREG(found.st_mode):
            yield ContextFile(self.target / here, self._content(path, found.st_size), os.access(path, os.X_OK))
        else:
            raise TrainyardError(f"{path}: neither a file nor a folder", f"remove it{self._ignoring}")

    def _reason(self, here: PurePosixPath) -> str | None:
        """Why a path stays out; empty where nobody has to know, None where it does not stay out."""
        if excluded(here.name):
            return NOTICED if _matcher(EXCLUDED[NOTICED])(here.name) else ""
        if self.ignored is None:
            return None
        if len(here.parts) == 1 and excluded(here.name, EXCLUDED_AT_TOP):
            return f"a container has {self.target.parts[0]}/{here} in its place" if here.name in MOUNTED else ""
        return ".s2iignore" if self.ignored.has(here) else None

    def _content(self, path: Path, size: int) -> bytes | HashedFile:
        with _readable(path):
            if size > self.room:
                return hashed(path, self.reporter)
            self.room -= size
            with open_regular(path) as file:
                return file.read()


def _entries(folder: Path) -> list[Path]:
    with _readable(folder):
        return sorted(folder.iterdir(), key=attrgetter("name"))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainyardError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from None


def _check_link(link: Path, root: Path, around: tuple[Path, ...], ignoring: str = "") -> None:
    target, root = link_target(link, around), root.resolve()
    inside = target.relative_to(root).parts if target.is_relative_to(root) else ()
    if any(map(excluded, inside or (target.name,))):
        raise TrainyardError(
            f"{link}: a link to {target}, which never gets into an image", f"remove the link{ignoring}"
        )
    if not inside:
        raise TrainyardError(
            f"{link}: a link out of the monorepo, to {target}", f"remove it, put a copy in its place{ignoring}"
        )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(path: Path | PurePosixPath) -> str:
    """A path on one line: bytes that are not UTF-8, and what would move the cursor, as escapes."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def excluded(name: str, also: tuple[str, ...] = ()) -> bool:
    """Whether a file or folder of that name stays out of contexts; ``also`` are more patterns."""
    return _matcher(EXCLUDED_NAMES + also)(name) is not None


@functools.cache
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object]:
    """One expression for all patterns: large monorepos ask for some hundred thousand names."""
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
