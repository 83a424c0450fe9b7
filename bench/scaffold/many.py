"""``make check`` over many generated models."""

from __future__ import annotations

from pathlib import Path

from bench.builds.copies import WAYS, make, run, timed
from bench.builds.generated import generate


def check_seconds(folder: Path, count: int, repeats: int) -> list[float]:
    """Seconds of each ``make check`` of ``count`` models that have nothing wrong.

    Raises:
        SystemExit: there is something wrong with them.
    """
    root = generate(folder, count)
    for project in (root / "projects").iterdir():
        (project / "data").mkdir()
        (project / "data" / "none.csv").write_text("age,income\n1,2\n")
    command = make(root, WAYS["process"], "check")
    printed = run(command)
    if f"{count} model(s): 0 error(s), 0 warning(s)" not in printed:
        raise SystemExit(f"error: make check: {printed[-500:]}")
    return [timed(command) for _ in range(repeats)]
