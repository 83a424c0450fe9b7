"""Looks through the code that gets into the images of a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainyard.contract.files import read_text
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.monorepo.sources import model_files, project_files, shared_files
from trainyard.host.operations.removed_apis.by_ast import Versions, find_removed
from trainyard.host.operations.removed_apis.by_ruff import find_removed_of_numpy
from trainyard.host.operations.removed_apis.finding import Finding
from trainyard.host.operations.removed_apis.table import IMPORTED_AS
from trainyard.host.support.context import ContextFile
from trainyard.host.support.reporter import Reporter
from trainyard.settings.host import BuildSettings

NUMPY = "numpy"
PACKAGES = (*IMPORTED_AS, NUMPY)


def removed_in_model(model: ModelDir, versions: Versions, settings: BuildSettings, reporter: Reporter) -> list[Finding]:
    """What the code uses that the packages of these versions do not have, by file and line.

    A file that cannot be read or parsed is named by a warning, and the others are looked through.

    Raises:
        TrainyardError: the sources have a link, or a file, that a build refuses.
    """
    found: list[Finding] = []
    readable: list[Path] = []
    for path in _code_of(model):
        try:
            found += find_removed(path, read_text(path), versions)
            readable.append(path)
        except SyntaxError as error:
            reporter.warn(f"{path}:{error.lineno or 1}: not looked through: {error.msg}")
        except (ValueError, RecursionError, TrainyardError) as error:
            reporter.warn(f"{path}: not looked through: {error}")
    if NUMPY in versions:
        try:
            found += find_removed_of_numpy(readable, versions[NUMPY], settings)
        except TrainyardError as error:
            reporter.warn(error.message)
    return sorted(set(found))


def _code_of(model: ModelDir) -> Iterator[Path]:
    """The Python files of the model, and of what it shares with others."""
    for file in (*model_files(model), *project_files(model.project, model.root), *shared_files(model.root)):
        if isinstance(file, ContextFile) and file.path.suffix == ".py":
            own = file.path.parts[0] == model.project.name
            yield (model.project.parent if own else model.root) / file.path
