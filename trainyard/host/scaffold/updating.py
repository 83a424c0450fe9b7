"""The files of a model brought to the templates of this version; what its owner changed stays.

Copier merges in a copy: it wants a work tree without changes and takes all of a repository for one, and several models
are updated one after the other.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

import trainyard
from trainyard.contract.files import read_text
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.revision import git
from trainyard.host.scaffold.rendering import update
from trainyard.host.scaffold.templates import URL, own_git
from trainyard.host.support.write_together import write_together

ANSWERS = ".copier-answers.yml"
CONFLICT = b"<<<<<<< before updating"  # Copier's first line of one


@dataclass(frozen=True)
class Updated:
    """Paths below the model's folder; ``conflicts`` are among those that were written, ``kept`` are of no text and stay
    as they are."""

    before: str
    written: tuple[PurePosixPath, ...] = ()
    removed: tuple[PurePosixPath, ...] = ()
    conflicts: tuple[PurePosixPath, ...] = ()
    kept: tuple[PurePosixPath, ...] = ()


def is_generated(model: Path) -> bool:
    """Whether a model was written from our templates; others use Copier, too."""
    path = model / ANSWERS
    return path.is_file() and f"_src_path: {URL}\n" in read_text(path)


def update_model(model: Path, *, dry_run: bool) -> Updated:
    """Merge what the templates of this version say into the files of ``model``; conflicts look as git's do.

    Raises:
        TrainyardError: it was not written from a template, has changes that are not committed, has conflicts of an
            earlier update, or its version is not kept; its files are as they were.
    """
    before = _version(model)
    if before == trainyard.__version__:
        return Updated(before)
    _check_committed(model)
    with tempfile.TemporaryDirectory(prefix="trainyard-update-") as name:
        merged = Path(name) / "model"
        shutil.copytree(model, merged, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for command in (["init", "--quiet"], ["add", "--all", "--force"], ["commit", "--quiet", "--message", "before"]):
            own_git(merged, *command)
        update(merged)
        shutil.rmtree(merged / ".git")
        found = _difference(model, merged, before)
        if not dry_run:
            _apply(model, merged, found)
    return found


def _version(model: Path) -> str:
    if not is_generated(model):
        raise TrainyardError(f"{model}: not written by make new-model, so there is nothing to compare with", "leave it")
    try:
        answers = yaml.safe_load(read_text(model / ANSWERS))
        return str(answers["_commit"])
    except (yaml.YAMLError, KeyError, TypeError):
        raise TrainyardError(f"{model / ANSWERS}: damaged", "take the file from git") from None


def _check_committed(model: Path) -> None:
    try:
        changes = git(model, "status", "--porcelain", "--", ".")
    except TrainyardError:
        return  # in no repository: nobody keeps another copy
    if changes:
        raise TrainyardError(
            f"{model}: changes that are not committed: {changes.splitlines()[0][3:]}",
            "commit them first: git then shows what the update did, and can undo it",
        )


def _difference(model: Path, merged: Path, before: str) -> Updated:
    there, now = _files(model), _files(merged)
    changed = sorted(name for name in now if now[name] != there.get(name))
    kept = [name for name in changed if b"\0" in there.get(name, b"")]  # Copier would write the template's text over it
    written = [name for name in changed if name not in kept]
    removed = sorted(there.keys() - now.keys())
    conflicts = [name for name in written if CONFLICT in now[name]]
    return Updated(before, tuple(written), tuple(removed), tuple(conflicts), tuple(kept))


def _files(folder: Path) -> dict[PurePosixPath, bytes]:
    return {
        PurePosixPath(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
    }


def _apply(model: Path, merged: Path, found: Updated) -> None:
    contents: dict[Path, bytes | None] = {model / name: (merged / name).read_bytes() for name in found.written}
    for path in contents:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_together(contents | {model / name: None for name in found.removed})
    except OSError as error:
        raise TrainyardError(f"{model}: {error.strerror}", "nothing has changed", EXIT_FAILED) from None
