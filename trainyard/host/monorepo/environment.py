"""The environment of a monorepo, ``.venv`` at its top, which has the Trainyard that its ``trainyard.toml`` names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from trainyard.errors import AlreadyPrinted
from trainyard.host.monorepo.pin import FILE

SETUP = Path("mk") / "setup.sh"


def other_python(root: Path, extras: Iterable[str]) -> Path | None:
    """The Python of the environment of the monorepo at ``root``, which is made or renewed where that is due, with
    ``extras``; None where it has none of its own, or this is it.

    Raises:
        AlreadyPrinted: it cannot be made; the script says why.
    """
    if not ((root / FILE).is_file() and (root / SETUP).is_file()):
        return None
    environment = root / ".venv"
    for extra in ("", *extras):
        provide(root, extra)
    return None if Path(sys.prefix).resolve() == environment.resolve() else environment / "bin" / "python"


def provide(root: Path, extra: str) -> None:
    """Install the packages of an extra into the environment of the monorepo at ``root``, where they are not.

    Raises:
        AlreadyPrinted: they cannot be; the script says why.
    """
    done = subprocess.run(["sh", str(root / SETUP), str(root), extra], check=False)
    if done.returncode:
        raise AlreadyPrinted(f"{SETUP} failed", exit_code=done.returncode)
