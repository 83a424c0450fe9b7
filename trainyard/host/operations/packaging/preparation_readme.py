"""``data_preparation/README.md`` of a model, from a template, for people to go on with."""

from __future__ import annotations

from pathlib import Path
from string import Template

from trainyard.contract.files import read_text, write_whole
from trainyard.host.experiments.dvc_preparation import FOLDER
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.support.product import PACKAGE

_TEMPLATE = PACKAGE / "templates" / "preparation" / "README.md"


def readme_of(model: ModelDir) -> Path:
    return model.path / FOLDER / "README.md"


def write_readme(model: ModelDir) -> None:
    """Write it, where there is none.

    Raises:
        OSError: no space, no permission.
    """
    path = readme_of(model)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, Template(read_text(_TEMPLATE)).substitute(name=model.name, dataset=model.dataset_name))
