"""The files of the builder images, and the digest that says whether an image is of today's files.

The same layout serves the base image (/opt/trainyard, /usr/libexec/s2i) and the process engine (a folder).
"""

from __future__ import annotations

import functools
from pathlib import PurePosixPath

from trainyard.host.monorepo.model_dir import Role
from trainyard.host.monorepo.sources import tree
from trainyard.host.support.context import Context, ContextFile, make_context, only_files, text_file
from trainyard.host.support.product import BUILDER_SOURCES, PACKAGE, PRODUCT

# The folder of each role's builder image below builders/: the historical images were called model and daemon.
BUILDERS: dict[Role, str] = {"train": "train", "predict": "daemon"}
APP_ROOT: dict[Role, str] = {"train": "/model", "predict": "/action"}
# Of the package: what images hold. ``host/`` stays outside.
LIBRARY_MODULES = ("__init__.py", "errors.py")
LIBRARY_ROOMS = ("contract", "image", "models", "settings")
BASE_FILES = ("prepare.py", "slim.py", "bytecode.py", "damage.py", "requirements.txt")


@functools.cache  # none of this changes while it runs
def base_context() -> Context:
    """What installing dependencies needs, in the base image: scripts and the runtime's requirements."""
    return make_context(
        [
            text_file("common.sh", (BUILDER_SOURCES / "common.sh").read_bytes()),
            *tree(BUILDER_SOURCES / "common", PurePosixPath("common"), PRODUCT),
            *(text_file(name, (BUILDER_SOURCES / "base" / name).read_bytes()) for name in BASE_FILES),
            text_file("secret_forms.py", (PACKAGE / "contract" / "secret_forms.py").read_bytes()),
        ]
    )


@functools.cache
def library_context() -> Context:
    """``lib/trainyard``: the image library."""
    target = PurePosixPath("lib/trainyard")
    modules = [ContextFile(target / name, (PACKAGE / name).read_bytes()) for name in LIBRARY_MODULES]
    rooms = [file for name in LIBRARY_ROOMS for file in tree(PACKAGE / name, target / name, PACKAGE)]
    return make_context([*modules, *rooms])


def script_files(role: Role) -> list[ContextFile]:
    """``s2i/bin``: the four scripts of a role."""
    return only_files(tree(BUILDER_SOURCES / BUILDERS[role] / "s2i", PurePosixPath("s2i"), PRODUCT))


@functools.cache
def role_context(role: Role) -> Context:
    """What a role's builder image adds to the base: its Dockerfile, the four s2i scripts, the library.

    They come after the dependencies, so that a new daemon does not install them again.
    """
    dockerfile = (BUILDER_SOURCES / BUILDERS[role] / "Dockerfile").read_bytes()
    return make_context([text_file("Dockerfile", dockerfile), *script_files(role), *library_context().files])
