"""``<model>-training-code.zip``: what is in a train image's context, the same bytes for the same sources."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from trainyard.contract.files import replacing
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.session import Session
from trainyard.host.support.context import Context
from trainyard.host.support.hashed_files import MIB

_OLDEST = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can say
_UNIX = 3


def folder_of(session: Session, model: ModelDir) -> Path:
    """Where the archive of a model's code and its packages lie; ``make clean`` at the top removes them."""
    return session.repository.state / "packages" / model.project.name / model.path.name


def code_archive(session: Session, model: ModelDir) -> Path:
    """Where the archive is written."""
    return folder_of(session, model) / f"{model.path.name}-training-code.zip"


def write_code(context: Context, path: Path) -> None:
    """Write the archive whole or not at all; times, permissions and order are fixed.

    Raises:
        OSError: no space, no permission.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in context.files:
            entry = zipfile.ZipInfo(str(file.path), _OLDEST)
            entry.compress_type, entry.create_system, entry.file_size = zipfile.ZIP_DEFLATED, _UNIX, file.size
            entry.external_attr = (0o100000 | file.mode) << 16
            with file.open() as content, archive.open(entry, "w") as target:
                shutil.copyfileobj(content, target, MIB)
