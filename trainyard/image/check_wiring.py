"""``python -m trainyard.image.check_wiring train|predict|daemon [group]``, run by ``assemble``: a typo fails the build.

Compiles the sources, so that the first start writes nothing. Imports every module that ``.s2i/environment`` names and
looks its function up; for predict images the daemon too, so that requirements it cannot live with fail here and not at
the first start. One Python does all that: to start another takes as long as either. Where models are in groups with an
environment each, each group's Python checks its own.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import py_compile
import sys
from pathlib import Path

from trainyard.contract.environment import read_environment
from trainyard.contract.groups import groups_of
from trainyard.contract.secret_forms import ALLOW, find_in_files
from trainyard.errors import EXIT_BAD_INPUT, ModelUnavailable, TrainyardError
from trainyard.image.user_code import (
    ENVIRONMENT_FILE,
    Target,
    prepare_path,
    refuse_namesake,
    resolve,
    route_target,
    training_target,
)

ROLES = ("train", "predict")
DAEMON = "daemon"
# Which library was imported with the packages of this virtual environment; `daemon` does it before there are sources.
STAMP = Path(sys.prefix) / ".trainyard-daemon"


def check(role: str, sources: Path, group: int = 1) -> list[str]:
    """Check the wiring below ``sources``, the working directory; returns warnings, one line each.

    ``group``: of models, counted from 1.

    Raises:
        TrainyardError: the first thing to fix.
    """
    environment = read_environment(ENVIRONMENT_FILE)
    os.environ.update(environment)  # as in a container of the image
    targets: list[Target]
    if role == "train":
        targets = [training_target(environment)]
    else:
        targets = [route_target(route) for route in groups_of(environment)[group - 1]]
        for target in targets:
            refuse_namesake(target, sources)
        _import_daemon()
    prepare_path(sources)
    warnings = list(environment.warnings) if group == 1 else []
    for target in targets:
        try:
            resolve(target, sources)
        except ModelUnavailable as error:
            warnings.append(f"{error.message}: not checked further, since a build has no models/ and data/")
    refuse_secrets(sources)
    return warnings


def refuse_secrets(sources: Path) -> None:
    """Make looks through its contexts before; this is for s2i without make, and for what an import has written.

    Raises:
        TrainyardError: something below ``sources`` looks like a credential.
    """
    files = (path for path in sorted(sources.rglob("*")) if path.suffix != ".pyc")  # without the comments that allow it
    if found := next(find_in_files(files), ""):
        raise TrainyardError(
            f"{found.removeprefix(f'{sources}/')} would get into the image",
            f"remove it, or list the file in .s2iignore; where it is no secret, say so on its line: {ALLOW.decode()}",
        )


def compile_sources(sources: Path) -> None:
    """Bytecode that holds as long as its source has the same content, whatever its time."""
    compileall.compile_dir(sources, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def _import_daemon() -> None:
    library = str(Path(__file__).parent)
    if STAMP.is_file() and STAMP.read_text() == library:
        return
    try:
        import trainyard.image.serve.processes.server  # noqa: F401 -- trains do not have to wait for flask
    except Exception as error:
        raise TrainyardError(
            f"requirements_predict.txt: the daemon cannot be imported: {type(error).__name__}: "
            f"{' '.join(str(error).split())}",
            "let flask, gunicorn and what they need be chosen by the builder image",
        ) from error
    if STAMP.with_name(".trainyard-deps").is_file():  # nobody else installs into it
        STAMP.write_text(library)


def main(arguments: list[str]) -> int:
    """Run the check; an error is one line on stderr and exit status 2."""
    if not arguments or arguments[0] not in (*ROLES, DAEMON):
        sys.stderr.write("usage: python -m trainyard.image.check_wiring train|predict|daemon [group]\n")
        return EXIT_BAD_INPUT
    group = int(arguments[1]) if arguments[1:] else 1
    warnings = []
    try:
        # What the user's code prints must not be mistaken for our answer.
        with contextlib.redirect_stdout(sys.stderr):
            if arguments[0] == DAEMON:
                _import_daemon()
            else:
                if group == 1:
                    compile_sources(Path.cwd())
                warnings = check(arguments[0], Path.cwd(), group)
    except TrainyardError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_BAD_INPUT
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads and exit handlers of the user's modules must not hold up a build, or change its status
