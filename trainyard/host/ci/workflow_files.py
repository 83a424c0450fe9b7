"""The files by which CI servers call us."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import TrainyardError

PLACES = {"github": ".github/workflows/models.yml", "gitlab": ".gitlab-ci.yml"}
BOTH = "both"


def workflow_files(kind: str) -> dict[str, str]:
    """Each file by its path below the top of the repository.

    Raises:
        TrainyardError: there is no such kind.
    """
    if kind not in (*PLACES, BOTH):
        given = f"CI={kind}: not a kind of CI" if kind else "which CI? CI is missing"
        raise TrainyardError(given, f"say CI={', CI='.join(PLACES)} or CI={BOTH}")
    folder = Path(__file__).with_name("workflows")
    return {place: (folder / f"{name}.yml").read_text() for name, place in PLACES.items() if kind in (name, BOTH)}
