"""Where things are in a monorepo: its root, its projects and models, and the state that commands leave behind."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import COMMAND_LINE, STATE, ModelDir, Value, read_model_dir, read_variables
from trainyard.host.monorepo.pin import FILE
from trainyard.host.monorepo.revision import commit_and_changes, commit_of, git
from trainyard.host.monorepo.sources import SHARED, shown

# What makes a folder a monorepo: this file, or a table [tool.trainyard] in its pyproject.toml.
MARKER = FILE
TABLE = re.compile(r"^\[tool\.trainyard\]\s*(#.*)?$", re.MULTILINE)
# At the top: what decides what goes into every image. Our own repository has the sources, others name a version.
LIBRARY = ("builders", "trainyard", MARKER)
OF_PROJECT = ("common_utils", "__init__.py")
UV_CACHE = "UV_CACHE_DIR"
DIFF = ("--name-only", "--no-renames", "--ignore-submodules=none", "-z", "--relative")
# What the path of a monorepo cannot have.
UNUSABLE = {
    ":": "a colon (':'), which separates folders in PATH and in mounts",
    r"[\r\n]": "a line break",
    "[\udc80-\udcff]": "a name that is not UTF-8",
}


@dataclass(frozen=True)
class Repository:
    """A monorepo. ``overrides`` are the variables given on make's command line. ``state_of``: the monorepo whose state
    this one shares, where it is a second work tree of that."""

    root: Path
    overrides: Mapping[str, str]
    state_of: Path | None = None

    @property
    def state(self) -> Path:
        """Everything that commands leave behind outside ``models/``; when nothing runs, deleting it loses only time."""
        return (self.state_of or self.root) / STATE

    def provide_cache(self) -> None:
        """Where the user has no folder for uv's cache, it is in our state: uv would make one in the working folder,
        which is a model's."""
        if not has_cache(os.environ):
            os.environ[UV_CACHE] = str(self.state / "cache" / "uv")

    def model(self, path: Path) -> ModelDir:
        return read_model_dir(path, self.root, self.overrides)

    def projects(self) -> list[Path]:
        """Project folders, sorted: those with at least one model or an ``all/``."""
        return sorted({path.parent for path in self.root.glob("projects/*/*") if _has_makefile(path)})

    def model_paths(self, project: Path) -> list[Path]:
        """The model directories of a project, sorted; ``all/`` is not one."""
        return sorted(path for path in project.glob("*") if path.name != "all" and _has_makefile(path))

    def models(self) -> list[ModelDir]:
        """Every model of every project; command-line overrides are one model's and do not apply."""
        return [read_model_dir(path, self.root) for path in self.every_model_path()]

    def every_model_path(self) -> list[Path]:
        """The model directories of every project."""
        return [path for project in self.projects() for path in self.model_paths(project)]

    def all_folders(self) -> list[Path]:
        """Every ``all/``: those of projects, sorted, then the one at the top."""
        makefiles = [*sorted(self.root.glob("projects/*/all/Makefile")), *self.root.glob("all/Makefile")]
        return [makefile.parent for makefile in makefiles]

    def check_names(self, model: ModelDir) -> None:
        """Two models that share a name would overwrite each other's images, or binaries, in silence.

        Raises:
            TrainyardError: another directory has the CONTAINER_NAME, or one of the project the MODEL_NAME.
        """
        for clash in self.clashes([model]):
            raise TrainyardError(
                f"two directories have the {clash.variable} {clash.mine.text!r}: "
                f"{clash.mine.source} and {clash.other.source}",
                "rename one of them",
            )

    def clashes(self, models: Iterable[ModelDir]) -> Iterator[Clash]:
        """The names of ``models`` that another directory has, too, an ``all/`` of a project included."""
        taken: dict[tuple[str, Path | None, str], list[tuple[Path, Value]]] = defaultdict(list)
        for makefile in sorted(self.root.glob("projects/*/*/Makefile")):
            with contextlib.suppress(TrainyardError):  # the build of that model reports it
                for name, value in _names(read_variables(makefile)):
                    taken[name, _scope(name, makefile.parent), value.text].append((makefile.parent, value))
        for model in models:
            for name, mine in _names(model.variables):
                for folder, other in taken[name, _scope(name, model.path), mine.text]:
                    if folder != model.path and mine.source != COMMAND_LINE:
                        yield Clash(model, name, mine, folder, other)

    def commit(self, models: Iterable[ModelDir]) -> str:
        """The git commit of the work tree, with ``-dirty`` where something that images or trainings of ``models`` are
        made of has changes, or is not known to git; empty where git does not say."""
        return commit_of(self.root, *self._made_of(models))

    def uncommitted(self, models: Iterable[ModelDir]) -> list[str]:
        """What of that has changes, sorted; paths below the root. Empty where git does not say."""
        _, changed = commit_and_changes(self.root, *self._made_of(models))
        return sorted(str(path.relative_to(self.root)) for path in changed if path.is_relative_to(self.root))

    def _made_of(self, models: Iterable[ModelDir]) -> tuple[list[Path], list[Path]]:
        """The directories of models, and what they share with others."""
        models = tuple(models)
        shared = [self.root / name for name in (*SHARED, *LIBRARY)]
        shared += [project / name for project in {model.project for model in models} for name in OF_PROJECT]
        return [model.path for model in models], shared

    def source(self) -> str:
        """The URL of the git remote ``origin``, without the credentials that it may have; empty where there is none."""
        try:
            url = git(self.root, "config", "--get", "remote.origin.url").strip()
        except TrainyardError:
            return ""
        return re.sub("(?<=://)[^/]*@", "", url)

    def changed_paths(self, since: str) -> list[str]:
        """The paths below the root that differ from the git ref ``since``, those that git does not track included.

        Raises:
            TrainyardError: no git, no work tree, or no such ref.
        """
        if since.startswith("-"):
            raise TrainyardError(f"SINCE={since}: not a git ref", "name a branch, a tag or a commit")
        changed = git(self.root, "diff", *DIFF, since, "--", ".")
        untracked = git(self.root, "ls-files", "--others", "--exclude-standard", "-z")
        return sorted({path for path in (changed + untracked).split("\0") if path})


@dataclass(frozen=True)
class Clash:
    """``model`` and the directory ``folder`` have the same name."""

    model: ModelDir
    variable: str
    mine: Value
    folder: Path
    other: Value


def _names(variables: Mapping[str, Value]) -> list[tuple[str, Value]]:
    return [
        (name, variables[name])
        for name in ("CONTAINER_NAME", "MODEL_NAME")
        if name in variables and variables[name].text
    ]


def _scope(variable: str, folder: Path) -> Path | None:
    """Where nobody else may have that name: binaries lie in a project, images on an engine."""
    return folder.parent if variable == "MODEL_NAME" else None


def _has_makefile(folder: Path) -> bool:
    """Or may have: whoever reads a folder without permissions finds out, and says it."""
    try:
        return stat.S_ISREG((folder / "Makefile").stat().st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


def find_repository(start: Path, environ: Mapping[str, str] | None = None) -> Repository:
    """The monorepo that ``start`` lies in.

    ``TRAINYARD_COMMAND_LINE`` (set by mk/*.mk) names the variables that make got on its command line.

    Raises:
        TrainyardError: there is none, or its path has a character that no build can work with.
    """
    found = os.environ if environ is None else environ
    names = found.get("TRAINYARD_COMMAND_LINE", "").split()
    overrides = {name: found[name] for name in names if name in found}
    start = start.resolve()
    root = enclosing_monorepo(start)
    if root is None:
        raise TrainyardError(
            f"{start}: not inside a Trainyard monorepo (no {MARKER} above it)",
            "go to its folder, or make one: trainyard init",
        )
    check_path(root)
    return Repository(root, overrides)


def enclosing_monorepo(start: Path) -> Path | None:
    """The root of the monorepo that ``start`` is or lies in."""
    return next((folder for folder in (start, *start.parents) if _is_monorepo(folder)), None)


def _is_monorepo(folder: Path) -> bool:
    if (folder / MARKER).is_file():
        return True
    try:
        return TABLE.search((folder / "pyproject.toml").read_text(errors="replace")) is not None
    except OSError:  # there is none, or it is not ours to read
        return False


def has_cache(environ: Mapping[str, str]) -> bool:
    """Whether uv's cache has a folder outside of the working folder: one that is named, or one in a home."""
    if environ.get(UV_CACHE):
        return True
    home = environ.get("HOME")  # there is none in CI containers whose user has no name
    cache = Path(environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else ""), "uv")
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return cache.is_absolute() and os.access(there, os.W_OK | os.X_OK)


def check_path(root: Path) -> None:
    """Raises:
    TrainyardError: the path has what no build can work with.
    """
    for pattern, what in UNUSABLE.items():
        if re.search(pattern, str(root)):
            raise TrainyardError(f"{shown(root)}: the path of the monorepo has {what}", "rename the folder")


def all_members(all_dir: Path, repository: Repository) -> list[Path]:
    """The model directories that an ``all/`` merges: its MODEL_DIRS, or every model where it names none.

    The ``all/`` at the top merges projects, so its MODEL_DIRS names projects.
    """
    top = all_dir.parent == repository.root
    variables = read_variables(all_dir / "Makefile")
    named = variables.get("MODEL_DIRS")
    base = repository.root / "projects" if top else all_dir.parent
    everything = repository.projects() if top else repository.model_paths(base)
    chosen = [base / name for name in named.text.split()] if named and named.text else everything
    for path in chosen:
        if path not in everything:
            known = " ".join(other.name for other in everything)
            raise TrainyardError(
                f"{named.source if named else all_dir}: no {path.name} in {base}", f"there are: {known}"
            )
    return [model for project in chosen for model in repository.model_paths(project)] if top else chosen
