"""What a commit has in it, looked at before its files are written, and once more when they are there.

A link that leads out of the checkout would have a build or a training read, or write, files of this machine. A folder
that looks like a bare repository would have any git that is called in it obey the configuration that it brings.
"""

from __future__ import annotations

import os
import posixpath
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from trainyard.host.retrain.sources.git_errors import FetchError, Trouble
from trainyard.host.retrain.sources.git_program import Git

MOST_ENTRIES = 1_000_000  # files and folders: a tree may name one folder again and again, a thousand times over
MOST_DEEP = 200  # folders in folders
FOLDER, LINK, SUBMODULE = "040000", "120000", "160000"
KINDS = (FOLDER, LINK, SUBMODULE, "100644", "100664", "100755")
# What makes git take a folder for a repository, without a .git.
BARE = ({"HEAD", "objects", "refs"}, {"HEAD", "commondir"})
TELLING = frozenset().union(*BARE)
LOOK = 1000  # entries between two looks at the size


@dataclass(frozen=True)
class Submodule:
    """Where another repository belongs, and which commit of it."""

    path: str
    commit: str


def check_tree(git: Git, commit: str) -> list[Submodule]:
    """See that the files of a commit may be written; its submodules.

    Raises:
        FetchError: a name or a kind of entry is refused, or all together are too large.
    """
    submodules, size = [], 0
    names: dict[str, set[str]] = defaultdict(set)  # in each folder those of BARE
    with closing(_records(git, "ls-tree", "-r", "-t", "-z", "-l", "--full-tree", commit)) as records:
        for number, record in enumerate(records):
            facts, _, raw = record.partition(b"\t")
            mode, _, digest, length = facts.decode().split()
            path = _name(git, raw)
            if mode not in KINDS:
                raise _refused(git, path, f"has the mode {mode}", "keep files, folders and links alone in it")
            if mode == SUBMODULE:
                submodules.append(Submodule(path, digest))
            folder, _, name = path.rpartition("/")
            if name in TELLING:
                names[folder].add(name)
                if any(wanted <= names[folder] for wanted in BARE):
                    why = "looks like a git repository of its own"
                    raise _refused(git, folder or "its top", why, "rename what is in there")
            size += int(length) if length.isdecimal() else 0
            if number % LOOK == 0:
                _check_size(git, number, size)
    _check_size(git, 0, size)
    git.limits.taken += size
    return submodules


def _check_size(git: Git, entries: int, size: int) -> None:
    if entries >= MOST_ENTRIES:
        raise FetchError(
            Trouble.TOO_LARGE, f"{git.what}: it has more than {MOST_ENTRIES} files", "name a smaller repository"
        )
    if error := git.limits.exceeded(git.what, git.limits.taken + size):
        raise error


def check_files(git: Git) -> None:
    """See that all below the checkout is a file, a folder, or a link that stays in it.

    Raises:
        FetchError: something is not.
    """
    root = os.path.realpath(git.folder)
    for entry in _entries(root):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            path = os.path.relpath(entry.path, root)
            if not _stays(root, path, os.readlink(entry.path)):  # noqa: PTH115 -- a path would drop ./ and //
                raise _refused(git, path, "is a link that leads out of the checkout", "link to what is in it")
        elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise _refused(git, os.path.relpath(entry.path, root), "is neither file nor folder nor link", "remove it")


def _stays(root: str, path: str, target: str) -> bool:
    """Whether a link leads to a place below ``root``, that is not git's own, by what it says and by where it ends."""
    said = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if posixpath.isabs(target) or said == ".." or said.startswith("../"):
        return False
    end = os.path.relpath(os.path.realpath(os.path.join(root, path)), root)  # noqa: PTH118
    return all(
        parts[0] != ".." and ".git" not in parts for parts in (Path(said).parts or (".",), Path(end).parts or (".",))
    )


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """All below a folder, but for what is git's."""
    with os.scandir(folder) as found:
        for entry in found:
            if entry.name == ".git":
                continue
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)


def _records(git: Git, *arguments: str) -> Generator[bytes, None, None]:
    """What git prints that ends with a zero byte, each."""
    rest = b""
    with closing(git.pieces(*arguments)) as pieces:
        for piece in pieces:
            *whole, rest = (rest + piece).split(b"\0")
            yield from whole


def _name(git: Git, raw: bytes) -> str:
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        raise _refused(git, ascii(raw)[2:-1], "has a name that is no UTF-8", "rename it") from None
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise _refused(git, ascii(path)[1:-1], "has a control character in its name", "rename it")
    parts = path.split("/")
    if len(parts) > MOST_DEEP:
        raise _refused(git, f"{path[:80]}...", f"is in more than {MOST_DEEP} folders", "move it up")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise _refused(git, path, "has a name that leads elsewhere", "rename it")
    return path


def _refused(git: Git, path: str, why: str, hint: str) -> FetchError:
    return FetchError(Trouble.REFUSED, f"{git.what}: {path} {why}", hint)
