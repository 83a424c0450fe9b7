"""The templates as what Copier copies and updates from: a git repository with a tag for each version.

https://copier.readthedocs.io/en/stable/updating/: an update renders the version that was copied, the new one, and
applies to the new one what the user has changed since.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import trainyard
from trainyard.host.monorepo.revision import git
from trainyard.host.support.product import PACKAGE, PRODUCT
from trainyard.settings.own_process import callers_environment, give_to_programs

# What a rendered folder names as its source. Nobody serves it: git maps it to the repository that is made here.
URL = "https://trainyard.invalid/templates.git"
TEMPLATES = PACKAGE / "templates"
HISTORY = TEMPLATES / "history.bundle"  # the versions before this one; there is none before the first release
# Equal templates give equal commits.
IDENTITY = {
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
        ("NAME", "Trainyard"), ("EMAIL", "trainyard@invalid"), ("DATE", "2020-01-01T00:00:00Z"))},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}  # fmt: skip


@contextlib.contextmanager
def template_source() -> Iterator[str]:
    """The URL of the templates, which git finds meanwhile.

    Raises:
        TrainyardError: there is no git.
    """
    with _repository() as folder, _known_to_git(folder):
        yield URL


def keep_version() -> None:
    """Add the templates of this version to the history that later versions update from: a step of a release."""
    with _repository() as folder:
        own_git(folder, "bundle", "create", "--quiet", str(HISTORY), "--tags", "main")


@contextlib.contextmanager
def _repository() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="trainyard-templates-") as name:
        folder = Path(name) / "repository"
        folder.mkdir()
        _fill(folder)
        yield folder


def _fill(folder: Path) -> None:
    own_git(folder, "init", "--quiet")
    if HISTORY.is_file():
        own_git(folder, "fetch", "--quiet", "--tags", str(HISTORY), "main")
        own_git(folder, "checkout", "--quiet", "-B", "main", "FETCH_HEAD")
        own_git(folder, "rm", "--quiet", "-r", ".")
    else:
        own_git(folder, "checkout", "--quiet", "-B", "main")
    shutil.copytree(TEMPLATES, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(HISTORY.name, "__pycache__"))
    shutil.copy(PRODUCT / "mk" / "setup.sh", folder / "monorepo" / "mk")
    own_git(folder, "add", "--all", "--force")
    own_git(folder, "commit", "--quiet", "--allow-empty", "--message", trainyard.__version__)
    own_git(folder, "tag", "--force", trainyard.__version__)


def own_git(folder: Path, *arguments: str) -> None:
    """Git in a repository of ours, without what the user's configuration says: no signatures, no hooks."""
    environment = {name: value for name, value in callers_environment().items() if not name.startswith("GIT_")}
    git(folder, *arguments, environment={**environment, **IDENTITY})


@contextlib.contextmanager
def _known_to_git(folder: Path) -> Iterator[None]:
    from plumbum import local  # by which Copier runs git; it copies the environment when it is imported

    # Copier keeps a mirror for each URL, for all processes. What ours leads to is another repository each time.
    give_to_programs({"COPIER_CACHE_DIR": str(folder.with_name("mirrors"))})

    values = (f"url.{folder.as_uri()}.insteadOf", URL), ("protocol.file.allow", "always")
    settings = {"GIT_CONFIG_COUNT": str(len(values))}
    for number, (key, value) in enumerate(values):
        settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    with local.env(**settings):
        yield
