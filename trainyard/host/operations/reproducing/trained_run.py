"""What a run says of how it was trained: all that training again needs to know."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.contract import run_folder
from trainyard.errors import TrainyardError
from trainyard.host.experiments.run_files import TRAINED_AS, Run, find_run
from trainyard.host.monorepo.commits import text_in
from trainyard.host.operations.session import Session

_PLACE = re.compile(r"[A-Za-z_]\w*/[A-Za-z_]\w*")


@dataclass(frozen=True)
class TrainedRun:
    """A training that is over. Its folder was written to by its container, so what becomes a path is looked at.

    ``payload`` is what its train function was given, ``record`` that of its binary.
    """

    run: Run
    payload: Mapping[str, Any]
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """By which people ask for it."""
        return self.run.short_id

    @property
    def project(self) -> Path:
        """The project that its run lies in today."""
        return self.run.folder.parents[1]

    @property
    def place(self) -> str:
        """Of its model in its commit, below the root: a model may have been renamed since."""
        return f"projects/{self.run.tags.get(TRAINED_AS, self.run.model)}"

    @property
    def commit(self) -> str:
        """Empty where nobody knows."""
        return self.run.tags.get("commit", "")

    @property
    def is_of_a_model(self) -> bool:
        return bool(_PLACE.fullmatch(self.place.removeprefix("projects/")))

    def lock(self, root: Path) -> str | None:
        """The text of the lock that its image was built with: kept in its folder, or committed; None where neither is
        what its tag says."""
        wanted = self.run.tags.get("lock", "")
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = self.run.files.read(run_folder.LOCK).decode()
            if _sha256(text) == wanted:
                return text
        text = text_in(root, self.commit, f"{self.place}/requirements_train.lock")
        return text if _sha256(text) == wanted else None


def read_trained_run(session: Session, run: Run) -> TrainedRun:
    """What ``run`` says; of a tuning, what its final training does.

    Raises:
        TrainyardError: it is none that ended well, or its files are gone.
    """
    if run.kind == "tuning" and run.status == "finished":
        if not (final := run.tags.get("final_run", "")):
            raise TrainyardError(f"tuning {run.id} has no final training", "make tune RESUME=1 goes on with it")
        run = find_run([run.folder.parents[1]], final, session.reporter)
    if run.kind == "trial":
        fix = f"ID={run.parent} is its tuning, whose best was trained once more"
        raise TrainyardError(f"run {run.id} is a trial of a tuning", fix)
    if run.status != "finished":
        raise TrainyardError(f"run {run.id} has not finished: it is {run.status}", "choose one that has: make runs")
    try:
        record = run.files.read_json(run_folder.RECORD)
    except (OSError, ValueError) as error:
        raise TrainyardError(f"{run.path(run_folder.RECORD)}: cannot be read ({error})", "choose another run") from None
    if not isinstance(record, dict):
        raise TrainyardError(f"{run.path(run_folder.RECORD)}: no JSON object", "choose another run")
    payload = run.payload or record.get("payload")
    if not isinstance(payload, dict):
        raise TrainyardError(f"run {run.id} does not say what its train function was given", "choose another run")
    return TrainedRun(run, payload, record)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
