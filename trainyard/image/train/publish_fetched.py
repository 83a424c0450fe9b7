"""A training of another machine, published here: its files go to ``models/`` as those of a training here do."""

from __future__ import annotations

import shutil
from pathlib import Path

from trainyard.contract.environment import read_environment
from trainyard.contract.files import sha256_of
from trainyard.contract.model_files import declared_files, files_of
from trainyard.contract.records import binary_path, read_record
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.image.train.publishing import publish_all
from trainyard.image.train.staging import staging


def publish_fetched(project: Path, fetched: Path, model_name: str, environment: Path) -> None:
    """Move what lies in ``fetched`` to ``models/`` of the project; nothing is moved where it is not what was trained.

    Args:
        project: where models/ is.
        fetched: the ``models/`` of the other machine.
        model_name: the model that was trained.
        environment: the ``.s2i/environment`` of the model.

    Raises:
        TrainyardError: a file is missing, or is not the one that the record names.
        OSError: no space, no permission.
    """
    _check(fetched, model_name)
    with staging(project, model_name, declared_files(read_environment(environment))) as staged:
        for path in sorted(fetched.iterdir()):
            there = staged.models / path.name
            if there.is_dir():
                shutil.rmtree(there)
            shutil.move(path, there)
        publish_all(staged, {})


def _check(fetched: Path, model_name: str) -> None:
    for path, sha256 in files_of(read_record(binary_path(fetched, model_name)) or {}, model_name).items():
        file = fetched / path
        if not file.is_file() or file.is_symlink() or sha256_of(file) != sha256:
            raise TrainyardError(
                f"models/{path} did not arrive as it was written", "it is still there: fetch it again", EXIT_FAILED
            )
