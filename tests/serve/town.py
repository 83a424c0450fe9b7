"""A daemon whose models have records that name their columns."""

import hashlib
import json
import shutil
from pathlib import Path

CASE = Path(__file__).parent / "cases" / "town"
NUMBER = {"type": "number", "minimum": 0, "maximum": 1000}
SCHEMAS = {
    "houses": [
        {"name": "size", **NUMBER, "integer": True},
        {"name": "city", "type": "category", "categories": ["Bonn", "Köln"]},
    ],
    "sums": [{"name": name, **NUMBER} for name in ("a", "b", "c")],
}


def build(folder: Path, routes: str = "") -> Path:
    """The case in ``folder``, with trained models; ``routes``: in place of all."""
    shutil.copytree(CASE, folder)
    if routes:
        (folder / ".s2i/environment").write_text(f"ROUTES={routes}\n")
    models = folder / "models"
    models.mkdir()
    for name, columns in SCHEMAS.items():
        (models / f"{name}.pkl").write_text(name)
        record = {"model_name": name, "sha256": version_of(name, 64), "schema": {"columns": columns}}
        (models / f"{name}.json").write_text(json.dumps(record))
    return folder


def version_of(name: str, digits: int = 12) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:digits]
