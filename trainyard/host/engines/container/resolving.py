"""Resolving in a container: what a package that comes as source depends on is learnt by running its own code."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from trainyard.host.engines.base import Python
from trainyard.host.engines.container.assembling import SCRIPTS, Assembler, Todo
from trainyard.host.engines.container.base_images import REGISTRY_BASE
from trainyard.host.network.urls import without_logins
from trainyard.host.requirements.install_target import Target
from trainyard.host.support.context import make_context, text_file
from trainyard.settings.host import BuildSettings

WORK = "/tmp/src"  # noqa: S108 -- the container's: where the files of a context are
NEWEST_GLIBC = 40  # that uv knows a platform for: 2.40
FAILED = "trainyard: uv failed"  # the first line of what is printed then
# The cache of packages is not the host's: nothing but the lock comes back.
SCRIPT = """load_build_settings; find_cache; cd {work}
if uv {arguments} ${{WHEELHOUSE:+--no-index --find-links "$WHEELHOUSE"}} 2>/tmp/output
then cat lock.txt; else echo '{failed}'; cat /tmp/output; fi"""


def compile_in_container(
    assembler: Assembler, base: str, arguments: Sequence[str], folder: Path
) -> tuple[int, str]:  # fmt: skip
    """``uv`` in a container of ``base``, on the files of ``folder``, in which it writes ``lock.txt``; its status and
    what it complained about."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    context = make_context([text_file(str(path.relative_to(folder)), path.read_bytes()) for path in files])
    script = SCRIPT.format(work=WORK, arguments=shlex.join(arguments), failed=FAILED)
    todo = Todo(SCRIPTS + script, installs=True, network=not assembler.settings.wheelhouse)
    printed = assembler.printed(base, context, todo)
    if printed.startswith(FAILED):
        return 1, without_logins(printed.removeprefix(FAILED))
    (folder / "lock.txt").write_text(f"{printed}\n", encoding="utf-8")
    return 0, ""


def target_of(python: Python) -> Target:
    """What images with that Python install for."""
    machine = {"arm64": "aarch64"}.get(python.machine, python.machine)
    minor = min(int(python.glibc.partition(".")[2] or 0), NEWEST_GLIBC)
    named = f"{machine}-manylinux_2_{minor}" if minor and machine in ("x86_64", "aarch64") else ""
    return Target(python.version.rpartition(".")[0], named)


def expected_python(settings: BuildSettings) -> Python:
    """That of images whose base is not here yet: its name says so, or it is as in the usual one."""
    named, usual = (re.search(r"python[:-](\d+\.\d+)", image) for image in (settings.base_image, REGISTRY_BASE))
    found = named or usual
    return Python(f"{found[1] if found else '3.12'}.0", platform.machine(), "2.36")
