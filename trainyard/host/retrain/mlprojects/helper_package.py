"""The package ``mypackage`` for projects that do not carry it, and what it needs of ours.

It has no ``__init__.py``, as the copies have none that the older service's instructions ask for. So Python takes the
project's own copy first, and what that does not have from here. An image of a project has no Trainyard: a few of our
modules come along, which need Python and MLflow alone. ``sitecustomize.py`` beside it says itself what it is for.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import trainyard

PACKAGE = Path(trainyard.__file__).parent
HELPER = PACKAGE / "models" / "mlproject_helper"
NEEDED = (
    "__init__.py", "errors.py",
    "settings/__init__.py", "settings/own_process.py",
    "contract/__init__.py", "contract/champion_rule.py",
    "models/__init__.py", "models/registering.py", "models/preparing.py",
)  # fmt: skip


def write_helper(folder: Path) -> None:
    """Put the package, and what it needs, into a new folder for PYTHONPATH."""
    shutil.copytree(HELPER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEEDED:
        (folder / "trainyard" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / name, folder / "trainyard" / name)
