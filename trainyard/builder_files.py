"""The files of the builder images, and the digest that says whether an image is of today's files.

The same layout serves the base image (/opt/trainyard, /usr/libexec/s2i) and the process engine (a folder).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

from trainyard.context import Context, ContextFile, make_context, tree

Role = Literal["train", "predict"]
# The folder of each role's builder image below builders/: the historical images were called model and daemon.
BUILDERS: dict[Role, str] = {"train": "train", "predict": "daemon"}
APP_ROOT: dict[Role, str] = {"train": "/model", "predict": "/action"}
# The image half of the package; the host half stays outside.
IMAGE_HALF = (
    "__init__", "check", "environment", "errors", "files", "message", "records", "resolve", "routes", "settings",
)  # fmt: skip
IMAGE_PACKAGES = ("compat", "serve", "train")


def home_context(package: Path) -> Context:
    """The content of ``$TRAINYARD_HOME``: common.sh, the runtime's requirements, ``lib/trainyard``."""
    builders, source = package / "builders", package / "trainyard"
    target = PurePosixPath("lib/trainyard")
    files = [
        ContextFile(PurePosixPath("common.sh"), (builders / "common.sh").read_bytes()),
        ContextFile(PurePosixPath("requirements.txt"), (builders / "base" / "requirements.txt").read_bytes()),
        *(ContextFile(target / f"{name}.py", (source / f"{name}.py").read_bytes()) for name in IMAGE_HALF),
    ]
    for name in IMAGE_PACKAGES:
        files.extend(tree(source / name, target / name))
    return make_context(files)


def scripts_context(package: Path, role: Role) -> Context:
    """The four s2i scripts of one role, and its Dockerfile."""
    folder = package / "builders" / BUILDERS[role]
    dockerfile = ContextFile(PurePosixPath("Dockerfile"), (folder / "Dockerfile").read_bytes())
    return make_context([dockerfile, *tree(folder / "s2i", PurePosixPath("s2i"))])
