"""Which file says what a role requires; and how to go on where only another tool's file does."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError

PROJECT = "pyproject.toml"
BOTH = "requirements.txt"
# What other tools write, in place of which a requirements file is to be had, and how.
OTHER_TOOLS = {
    "poetry.lock": f"poetry export --format {BOTH} --output {BOTH} (its plugin poetry-plugin-export does it)",
    "Pipfile.lock": f"pipenv requirements > {BOTH}",
    "Pipfile": f"pipenv lock, then pipenv requirements > {BOTH}",
    "pdm.lock": f"pdm export --format requirements --output {BOTH}",
    "environment.yml": f"write the packages that the code imports into {BOTH}, under the names that they have on PyPI",
    "environment.yaml": f"write the packages that the code imports into {BOTH}, under the names that they have on PyPI",
    "conda.yaml": f"write the packages that the code imports into {BOTH}, under the names that they have on PyPI",
    "conda.yml": f"write the packages that the code imports into {BOTH}, under the names that they have on PyPI",
    "requirements.in": f"mv requirements.in {BOTH}; make lock does what pip-compile did",
    "setup.py": f"write a line -e . into {BOTH}",
    "setup.cfg": f"write a line -e . into {BOTH}",
}


def find_requirements(folder: Path, role: str) -> Path:
    """The role's own requirements file, else the one of both roles, else a project's.

    Raises:
        TrainyardError: there is none; where another tool's file is there, with the way from that one.
    """
    names = (f"requirements_{role}.txt", BOTH)
    if found := next((folder / name for name in names if (folder / name).is_file()), None):
        return found
    other = next((name for name in OTHER_TOOLS if (folder / name).is_file()), "")
    project = folder / PROJECT
    if project.is_file() and not (other and other.endswith(".lock")):
        return project
    if other:
        raise TrainyardError(f"{folder / other} is not read, and there is no {names[0]}", OTHER_TOOLS[other])
    raise TrainyardError(
        f"{folder / names[0]}: no such file",
        f"write the pip requirements of the {role} image there, or those of both images into {BOTH}",
    )
