"""What is printed for users of dvc after a training."""

from __future__ import annotations

from pathlib import Path

from trainyard.contract.files import read_text
from trainyard.errors import ModelUnavailable
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


def warn_of_old_pipeline(session: Session, project: Path) -> None:
    """A pipeline that was made before a file, a model or a parameter was added would not see it change."""
    path = project / FILE
    if path.is_file() and read_text(path) != pipeline(models_in(session.repository, project)):
        session.reporter.warn(f"{path} is not what make dvc would write: run it, or DVC misses changes")


def models_in(repository: Repository, project: Path, without: Path | None = None) -> list[ModelDir]:
    """The models of a project but the one at ``without``, and without what the command line says of one."""
    return [read_model_dir(path, repository.root) for path in repository.model_paths(project) if path != without]
