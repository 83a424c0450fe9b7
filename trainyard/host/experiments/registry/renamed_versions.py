"""A registered version whose model got another name since: its files as the model is called now."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from trainyard.contract.files import read_json, write_whole
from trainyard.contract.model_files import files_of
from trainyard.contract.records import dump_record
from trainyard.contract.renamed_models import renamed_path, renamed_record, renamed_record_name


class Named(Protocol):
    """What is asked of a version."""

    @property
    def model_name(self) -> str: ...

    @property
    def record(self) -> str: ...


def under_other_name(folder: Path, version: Named, name: str) -> Path:
    """A folder beside ``folder``, which was verified, with the same files for the model ``name``."""
    with tempfile.TemporaryDirectory(prefix=".renamed-", dir=folder.parent) as temporary:
        made = Path(temporary) / "models"
        made.mkdir()
        content, _ = read_json(folder / version.record)
        for path in files_of(content, version.model_name):
            target = made / renamed_path(path, version.model_name, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(folder / path, target)
        record = renamed_record(content, version.model_name, name)
        write_whole(made / renamed_record_name(version.record, record, name), dump_record(record))
        place = folder.with_name(f"{folder.name}-{name}")
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
    return place
