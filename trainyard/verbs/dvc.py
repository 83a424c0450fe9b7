"""make dvc: a pipeline for each project, from its model directories."""

from __future__ import annotations

from pathlib import Path

from trainyard import console
from trainyard.errors import ModelUnavailable
from trainyard.experiments.dvc_files import FILE, IGNORE, ignore_text, keep_compiled, pipeline
from trainyard.files import read_text, write_whole
from trainyard.model_dir import ModelDir, read_model_dir
from trainyard.repository import Repository
from trainyard.verbs.session import Session


def write_pipelines(session: Session, _folder: Path) -> None:
    """Write dvc.yaml of every project, and .dvcignore, where they are not as they should be."""
    repository = session.repository
    wanted = {repository.root / IGNORE: ignore_text(repository.root / IGNORE)}
    for project in repository.projects():
        if models := _models(repository, project):
            wanted[project / FILE] = pipeline(models)
    changed = {path: text for path, text in wanted.items() if not path.is_file() or read_text(path) != text}
    for path, text in changed.items():
        console.result(f"{'would write' if session.commands.dry_run else 'wrote'} {session.short(path)}")
        if not session.commands.dry_run:
            write_whole(path, text)
    if not changed:
        console.step(f"Up to date: {len(wanted) - 1} pipeline(s)")


def keep_for_dvc(model: ModelDir) -> None:
    """After a training: what DVC needs to bring all of the model back; a training does not fail for it."""
    try:
        keep_compiled(model)
    except (OSError, ModelUnavailable) as error:
        console.warn(f"the compiled form of {model.name} is not kept for DVC: {error}")


def warn_of_old_pipeline(repository: Repository, project: Path) -> None:
    """A pipeline that was made before a file, a model or a parameter was added would not see it change."""
    path = project / FILE
    if path.is_file() and read_text(path) != pipeline(_models(repository, project)):
        console.warn(f"{path} is not what make dvc would write: run it, or DVC misses changes")


def _models(repository: Repository, project: Path) -> list[ModelDir]:
    """Without what the command line says of one model."""
    return [read_model_dir(path, repository.root) for path in repository.model_paths(project)]
