"""The files by which CI servers call us."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.monorepo.commits import folder_in_repository
from trainyard.host.support.reporter import Reporter

PLACES = {"github": ".github/workflows/models.yml", "gitlab": ".gitlab-ci.yml"}
NONE = "none"
KINDS = f"{', '.join(PLACES)}, or {NONE}"
_CI_IS_ON = ("true", "1")  # what CI servers themselves set CI to


def given_kinds(text: str) -> str:
    """``text``; empty where a CI server has set it, and nobody has named a kind."""
    return "" if text in _CI_IS_ON else text


def kinds_of(text: str) -> list[str]:
    """The kinds of CI that a text as ``github,gitlab`` names; of ``none`` there are none.

    Raises:
        TrainyardError: one is not known.
    """
    kinds = [kind for kind in dict.fromkeys(re.split(r"[,\s]+", text)) if kind]
    for kind in kinds:
        if kind not in (*PLACES, NONE):
            raise TrainyardError(f"CI={text}: {kind} is not a kind of CI", f"say CI={','.join(PLACES)}, or one of them")
    if NONE in kinds and len(kinds) > 1:
        raise TrainyardError(f"CI={text}: {NONE}, and others", f"say CI={NONE} alone, or leave it out")
    return [kind for kind in kinds if kind != NONE]


def workflow_files(kinds: Iterable[str]) -> dict[str, str]:
    """Each file by its path below the top of the repository."""
    folder = Path(__file__).with_name("workflows")
    return {PLACES[kind]: (folder / f"{kind}.yml").read_text() for kind in kinds}


def write_workflows(root: Path, kinds: Iterable[str], reporter: Reporter, *, force: bool, dry_run: bool) -> None:
    """Write the files of some kinds. One that is there and says something else stays, but for ``force``, and keeps no
    other from being written.

    Raises:
        TrainyardError: one stays; or ``root`` is not the top of its git repository, and nothing was written.
    """
    files = workflow_files(kinds)
    if files and (inner := _folder_in_repository(root)):
        raise TrainyardError(
            f"{root} is not the top of its git repository, where workflow files lie",
            f"write them in another clone, copy them to the top, and add -C {inner.rstrip('/')} to each make",
        )
    kept = []
    for place, text in files.items():
        path = root / place
        there = path.read_text(errors="replace") if path.is_file() else ""
        if there == text:
            reporter.step(f"{place} is up to date")
        elif there and not force:
            kept.append(place)
        elif dry_run:
            reporter.would(f"write {place}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
            reporter.step(f"Wrote {place}")
    if kept:
        are = "is there, and says" if len(kept) == 1 else "are there, and say"
        raise TrainyardError(
            f"{', '.join(kept)} {are} something else", "make ci-files FORCE=1 overwrites what is there", EXIT_FAILED
        )


def _folder_in_repository(root: Path) -> str:
    """Empty at its top, and where there is no repository yet."""
    try:
        return folder_in_repository(root)
    except TrainyardError:
        return ""
