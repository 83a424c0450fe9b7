"""The files of the builder images, and the digest that says whether an image is of today's files.

The same layout serves the base image (/opt/trainyard, /usr/libexec/s2i) and the process engine (a folder).
"""

from __future__ import annotations

import functools
from pathlib import Path, PurePosixPath

from trainyard.host.monorepo.model_dir import Role
from trainyard.host.monorepo.sources import tree
from trainyard.host.support.context import Context, ContextFile, make_context, only_files, text_file

# The folder of each role's builder image below builders/: the historical images were called model and daemon.
BUILDERS: dict[Role, str] = {"train": "train", "predict": "daemon"}
APP_ROOT: dict[Role, str] = {"train": "/model", "predict": "/action"}
# Of the package: what images hold. ``host/`` stays outside.
LIBRARY_MODULES = ("__init__.py", "errors.py")
LIBRARY_ROOMS = ("contract", "image", "models", "settings")
BASE_FILES = ("prepare.py", "slim.py", "bytecode.py", "damage.py", "requirements.txt")


def base_context(package: Path) -> Context:
    """What installing dependencies needs, in the base image: scripts and the runtime's requirements."""
    builders = package / "builders"
    return make_context(
        [
            text_file("common.sh", (builders / "common.sh").read_bytes()),
            *tree(builders / "common", PurePosixPath("common"), package),
            *(text_file(name, (builders / "base" / name).read_bytes()) for name in BASE_FILES),
            text_file("secret_forms.py", (package / "trainyard" / "contract" / "secret_forms.py").read_bytes()),
        ]
    )


@functools.cache  # the package does not change while it runs
def library_context(package: Path) -> Context:
    """``lib/trainyard``: the image library."""
    source, target = package / "trainyard", PurePosixPath("lib/trainyard")
    modules = [ContextFile(target / name, (source / name).read_bytes()) for name in LIBRARY_MODULES]
    rooms = [file for name in LIBRARY_ROOMS for file in tree(source / name, target / name, package)]
    return make_context([*modules, *rooms])


def script_files(package: Path, role: Role) -> list[ContextFile]:
    """``s2i/bin``: the four scripts of a role."""
    return only_files(tree(package / "builders" / BUILDERS[role] / "s2i", PurePosixPath("s2i"), package))


@functools.cache
def role_context(package: Path, role: Role) -> Context:
    """What a role's builder image adds to the base: its Dockerfile, the four s2i scripts, the library.

    They come after the dependencies, so that a new daemon does not install them again.
    """
    dockerfile = (package / "builders" / BUILDERS[role] / "Dockerfile").read_bytes()
    return make_context(
        [text_file("Dockerfile", dockerfile), *script_files(package, role), *library_context(package).files]
    )
