"""Names that a project and a model can have: they become Python packages, images, routes and files."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from trainyard.contract.namesakes import owner_of
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.repository import Repository

LONGEST = 40
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Folders of a project that are no models.
TAKEN = frozenset({"all", "common_utils", "data", "models", "runs", "test", "utils"})
# Packages that a model may import: a project of that name would hide them.
PACKAGES = frozenset({
    "bentoml", "catboost", "cog", "cortex", "joblib", "keras", "lightgbm", "maxfw", "mlflow", "numpy", "onnx",
    "onnxruntime", "pandas", "pyarrow", "requests", "scipy", "sklearn", "tensorflow", "torch", "xgboost",
})  # fmt: skip


def check_project(name: str, repository: Repository, variable: str = "PROJECT") -> Path:
    """The folder of the project of that name, which need not be there.

    Raises:
        TrainyardError: no project can have that name.
    """
    _check(variable, name)
    owner = owner_of(name) or ("a Python package" if name.lower() in PACKAGES else "")
    if owner:
        raise TrainyardError(f"{variable}={name} is the name of {owner}, which it would hide", "choose another")
    path = repository.root / "projects" / name
    if same := next((one for one in _alike(path) if one != name), ""):
        raise TrainyardError(f"{variable}={name}: there is a project {same}", "write it so, or choose another")
    if path.exists() and not path.is_dir():
        raise TrainyardError(f"{path}: not a folder", f"remove it, or choose another {variable}")
    return path


def check_model(name: str, project: Path, variable: str = "NAME") -> Path:
    """The folder of a model that is not there yet.

    Raises:
        TrainyardError: no model can have that name, or there is one.
    """
    _check(variable, name)
    if name.lower() in TAKEN:
        raise TrainyardError(
            f"{variable}={name}: a project has a folder of that name for other things", "choose another"
        )
    path = project / name
    if (same := _alike(path)) or path.is_symlink():
        raise TrainyardError(f"{project / (same or [name])[0]}: there already", f"choose another {variable}")
    return path


def _alike(path: Path) -> list[str]:
    """What a file system that is blind to case takes for ``path``."""
    there = path.parent.iterdir() if path.parent.is_dir() else ()
    return sorted(other.name for other in there if other.name.lower() == path.name.lower())


def _check(variable: str, name: str) -> None:
    shown = name if name.isprintable() and len(name) <= LONGEST else ascii(name[:LONGEST]) + "..."
    if not _NAME.fullmatch(name):
        raise TrainyardError(
            f"{variable}={shown} cannot name a Python package",
            "begin with a letter, and use letters of English, digits and _",
        )
    if len(name) > LONGEST:
        raise TrainyardError(f"{variable}={shown} is longer than {LONGEST} characters", "choose a shorter one")
    if keyword.iskeyword(name):
        raise TrainyardError(f"{variable}={name} is a word of Python's own", "choose another")


def image_name(text: str) -> str:
    """A name for an image that is as near to ``text`` as can be."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "model"


def name_from(text: str) -> str:
    """A name made of any text, such as a file's; ``project`` where nothing of it can be used."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()[:LONGEST].strip("_")
    name = name if name[:1].isalpha() else f"project_{name}".strip("_")
    return f"{name}_project"[:LONGEST] if keyword.iskeyword(name) or owner_of(name) or name in PACKAGES else name
