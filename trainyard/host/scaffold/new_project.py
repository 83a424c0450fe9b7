"""The folder of a project, before it has models."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.adding import add_all

README = "# {name}\n\nSay here what the models of this project predict, and where the tables in `data/` come from.\n"


def write_project(path: Path, root: Path, *, dry_run: bool) -> list[PurePosixPath]:
    """Write the project's folders; the paths of its files below the monorepo ``root``.

    Raises:
        TrainyardError: it is there already.
    """
    if path.exists():
        raise TrainyardError(f"{path}: there already", f"make new-model PROJECT={path.name} adds a model to it")
    with tempfile.TemporaryDirectory(prefix="trainyard-project-") as name:
        staged = Path(name)
        project = staged / path.relative_to(root)
        for folder in ("data", "models"):
            (project / folder).mkdir(parents=True)
            (project / folder / ".gitkeep").touch()
        (project / "README.md").write_text(README.format(name=path.name))
        return add_all(staged, root, dry_run=dry_run)
