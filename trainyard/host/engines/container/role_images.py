"""What a role, train or predict, is in an image: its s2i scripts, the library, a configuration."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from trainyard.host.build.builder_files import BUILDERS, library_context, role_context, script_files
from trainyard.host.engines.container.assembling import SCRIPTS, Assembler, Image, Todo
from trainyard.host.engines.container.cache import NAME
from trainyard.host.monorepo.model_dir import Role
from trainyard.host.support.context import ContextFile, add_file, tar_entry
from trainyard.host.support.digests import digest_of

BUILDER_NAMES: dict[Role, str] = {role: f"trainyard/{folder}" for role, folder in BUILDERS.items()}
LIBRARY = "trainyard.library"  # label: the hash of the library that a dependency image came with, and was tried with
REPLACE_LIBRARY = SCRIPTS + "assemble '' library"
# Where the Dockerfiles of the builder images put scripts. These folders get something new, so their times are set.
FOLDERS = ("usr/libexec", "usr/libexec/s2i", "usr/local/bin")
S2I, SERVE = PurePosixPath("usr/libexec/s2i"), PurePosixPath("usr/local/bin/serve")


def role_image(assembler: Assembler, base: str, role: Role) -> str:
    """The name of a role's builder image."""
    return f"{BUILDER_NAMES[role]}:{digest_of(base, role_context(role).sha256)[:12]}"


def build_role(assembler: Assembler, role: Role, base: str) -> None:
    """Put a role on the base image: its builder image."""
    image = role_image(assembler, base, role)
    with tempfile.TemporaryDirectory() as name:
        role_context(role).write(Path(name))
        assembler.build_dockerfile(Path(name), image, {"BASE_IMAGE": base}, {NAME: image})


def install_role(assembler: Assembler, role: Role, base: str, dependencies: str, builder: str) -> None:
    """Put a role on a dependency image: ``builder``. Where that came with today's library only a few scripts are
    missing, and nothing has to be run."""
    plain = role_image(assembler, base, role)
    found = assembler.inspect([plain, dependencies])
    library = library_context()
    if dependencies in found and found[dependencies].labels.get(LIBRARY) == library.sha256:
        place = assembler.created(dependencies)
    else:
        place = assembler.assembled(dependencies, builder, library, Todo(REPLACE_LIBRARY))
    with place as container, tempfile.TemporaryFile() as files:
        _write_scripts(script_files(role), role, files)
        files.seek(0)
        assembler.commands.run(assembler.unpacking(container, "/"), assembler.limit, stdin=files)
        assembler.commit(container, builder, _configuration(assembler, found.get(plain), builder))


def _configuration(assembler: Assembler, plain: Image | None, builder: str) -> list[str]:
    """That of the role's builder image; there is none in a dry run."""
    config = plain.config if plain else {}
    environment = dict(entry.split("=", 1) for entry in config.get("Env") or ())
    labels = {key: value for key, value in (config.get("Labels") or {}).items() if not key.startswith("trainyard.")}
    return [
        *assembler.assigned("ENV", environment),
        *assembler.assigned("LABEL", labels | {NAME: builder}),
        *(f"EXPOSE {port}" for port in config.get("ExposedPorts") or ()),
        *(f"{word} {config[key]}" for word, key in (("WORKDIR", "WorkingDir"), ("USER", "User")) if config.get(key)),
        f"CMD {json.dumps(config.get('Cmd'))}",
    ]


def _write_scripts(scripts: list[ContextFile], role: Role, stream: IO[bytes]) -> None:
    """A tar of what a role has beside the library."""
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for folder in FOLDERS:
            archive.addfile(tar_entry(PurePosixPath(folder), 0o755, tarfile.DIRTYPE))
        for file in _installed(scripts, role):
            add_file(archive, file.path, file)


def _installed(scripts: list[ContextFile], role: Role) -> Iterator[ContextFile]:
    for file in scripts:
        yield ContextFile(S2I / file.path.name, file.content, executable=True)
        if role == "predict" and file.path.name == "run":
            yield ContextFile(SERVE, file.content, executable=True)
