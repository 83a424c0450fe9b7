"""What is printed for users of dvc after a training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trainyard.contract.files import read_text, write_whole
from trainyard.errors import ModelUnavailable, TrainyardError
from trainyard.host.experiments.dvc_files import FILE, keep_compiled, pipeline
from trainyard.host.monorepo.model_dir import ModelDir, read_model_dir
from trainyard.host.monorepo.repository import Repository
from trainyard.host.operations.session import Session


def keep_for_dvc(session: Session, model: ModelDir) -> None:
    """After a training: what DVC needs to bring all of the model back; a training does not fail for it."""
    try:
        keep_compiled(model)
    except (OSError, ModelUnavailable) as error:
        session.reporter.warn(f"the compiled form of {model.name} is not kept for DVC: {error}")


@contextlib.contextmanager
def kept_current(session: Session, project: Path) -> Iterator[None]:
    """Writes the project's pipeline anew behind what changes a model in it; not where it was of something older before,
    or where there is none."""
    path = project / FILE
    before = _is_current(session, project)
    yield
    if before and session.commands.dry_run:
        session.reporter.would(f"keep {session.short(path)} up to date, as make dvc does")
    elif before and not _is_current(session, project):
        write_whole(path, pipeline(models_in(session.repository, project)))
        session.reporter.step(f"Wrote {session.short(path)}, as make dvc does")


def _is_current(session: Session, project: Path) -> bool:
    path = project / FILE
    try:
        return path.is_file() and read_text(path) == pipeline(models_in(session.repository, project))
    except TrainyardError:  # a mistake in another model, which those hear of who use it
        return False


def warn_of_old_pipeline(session: Session, project: Path) -> None:
    """A pipeline that was made before a file, a model or a parameter was added would not see it change."""
    path = project / FILE
    if path.is_file() and read_text(path) != pipeline(models_in(session.repository, project)):
        session.reporter.warn(f"{path} is not what make dvc would write: run it, or DVC misses changes")


def models_in(repository: Repository, project: Path, without: Path | None = None) -> list[ModelDir]:
    """The models of a project but the one at ``without``, and without what the command line says of one."""
    return [read_model_dir(path, repository.root) for path in repository.model_paths(project) if path != without]
