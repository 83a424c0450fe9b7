"""Names that NumPy has removed, as ruff's rules know them: https://docs.astral.sh/ruff/rules/#numpy-specific-rules-npy

ruff is not among the packages of Trainyard: uv fetches it when it is asked for, once for its cache.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainyard.errors import TrainyardError
from trainyard.host.network.build_settings import index_options
from trainyard.host.operations.removed_apis.finding import Finding
from trainyard.host.requirements.compiling import uv_environment, uv_program
from trainyard.settings.host import BuildSettings

if TYPE_CHECKING:
    from packaging.version import Version

RUFF = "ruff>=0.14,<1"
SINCE = {"NPY001": "1.24", "NPY003": "2.0", "NPY201": "2.0"}
# NPY201 names them, too; NumPy kept them longer, or has them still.
LATER = {"in1d": "2.4", "trapz": "2.4"}
KEPT = ("row_stack",)
ARGUMENTS = (
    "check", "--isolated", "--no-cache", "--ignore-noqa", "--exit-zero", "--quiet", "--output-format", "json",
    "--select", ",".join(SINCE),
)  # fmt: skip


def find_removed_of_numpy(files: Sequence[Path], locked: Version, settings: BuildSettings) -> list[Finding]:
    """What the files use that NumPy of the version ``locked`` has removed; one finding for each place.

    Raises:
        TrainyardError: ruff cannot be had, or fails.
    """
    from packaging.version import Version

    if locked < Version(min(SINCE.values())) or not files:
        return []
    found: dict[tuple[str, int, int], Finding] = {}
    for one in sorted(_run(files, settings), key=lambda one: str(one["code"])):
        path, start = Path(one["filename"]), one["location"]
        if one["code"] not in SINCE:  # a file that is not Python, which has been said
            continue
        name = _name(path, start, one["end_location"])
        last = name.rpartition(".")[2]
        since = LATER.get(last, SINCE[one["code"]])
        if last not in KEPT and locked >= Version(since):
            what = f"{name} was removed in numpy {since}"
            found[str(path), start["row"], start["column"]] = Finding(path, start["row"], what, _fix(one["message"]))
    return list(found.values())


def _run(files: Sequence[Path], settings: BuildSettings) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [uv_program(), "tool", "run", "--quiet", *index_options(settings), "--from", RUFF, "ruff"]
        try:
            done = subprocess.run(
                [*command, *ARGUMENTS, "--", *map(str, files)], cwd=folder, env=uv_environment(settings),
                capture_output=True, text=True, check=False, timeout=settings.build_timeout or None,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise _missing(f"not there within {settings.build_timeout} s") from None
    if done.returncode:
        raise _missing(" ".join(done.stderr.split())[:200])
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _missing(reason: str) -> TrainyardError:
    return TrainyardError(f"names that NumPy has removed are not looked for: {RUFF} cannot be run ({reason})", "")


def _name(path: Path, start: dict[str, int], end: dict[str, int]) -> str:
    """What stands there in the code, on one line."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()[start["row"] - 1 : end["row"]]
    lines[-1] = lines[-1][: end["column"] - 1]
    lines[0] = lines[0][start["column"] - 1 :]
    return "".join(line.strip() for line in lines)


def _fix(message: str) -> str:
    """What ruff says to do: the end of its sentence."""
    for before in (". ", ", ", "; "):
        if before in message:
            message = message.partition(before)[2].rstrip(".")
            break
    return message[:1].lower() + message[1:]
