"""What of a run is in which tracker: ``runs/<id>/tracking.json``.

It saves asking. What counts is the tracker: a run is found there by its tag, a metric is not written twice, so whoever
is killed before this file was written does some work again, and no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from trainyard.contract.run_folder import LOG, METRICS, MODEL, TAGS
from trainyard.errors import TrainyardError
from trainyard.host.experiments.run_files import RUN, Run
from trainyard.host.experiments.tracking.tracker import Tracker

STATE = "tracking.json"
_NOT_UPLOADED = (STATE, METRICS, TAGS)  # what is in them is uploaded as metrics and tags


@dataclass(frozen=True)
class Uploaded:
    """What one tracker has of a run. ``ended``: the end of the run, once everything up to it was uploaded."""

    run_id: str = ""  # MLflow's
    points: int = 0
    files: Mapping[str, str] = field(default_factory=dict)  # name -> stamp of its content
    ended: str = ""
    deleted: bool = False  # by somebody, in the tracker: it stays so


def read_uploaded(run: Run, tracker: Tracker) -> Uploaded:
    """Nothing where nothing is known."""
    found = _read(run).get(tracker.shown, {})
    kinds = {item.name: type(getattr(Uploaded(), item.name)) for item in fields(Uploaded)}
    try:
        known = {name: value for name, value in found.items() if name in kinds}
    except AttributeError:
        return Uploaded()
    return Uploaded(**known) if all(type(value) is kinds[name] for name, value in known.items()) else Uploaded()


def write_uploaded(run: Run, tracker: Tracker, uploaded: Uploaded) -> None:
    """Raises:
    TrainyardError: it cannot be written."""
    content = {**_read(run), tracker.shown: asdict(uploaded)}
    try:
        run.files.write(STATE, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise TrainyardError(f"{run.path(STATE)}: {error.strerror}", "check permissions and space") from None


def complete(run: Run, uploaded: Uploaded) -> bool:
    """Whether there is nothing to upload, as far as we know."""
    return uploaded.deleted or (uploaded.ended == run.finished != "" and uploaded.files == files_of(run))


def files_of(run: Run) -> dict[str, str]:
    """The files of a run that are artifacts, by their path in it, each with a stamp that changes with its content."""
    found = {}
    for name, status in sorted(run.files.files()):
        if not any(part.startswith(".") for part in Path(name).parts) and name not in _NOT_UPLOADED:
            found[name] = f"{status.st_size}-{status.st_mtime_ns}"
    return found


def artifacts(run: Run) -> list[Path]:
    """Of these, without those of the model, paths in the run's folder; the log first."""
    names = [name for name in files_of(run) if Path(name).parts[0] != MODEL]
    return [Path(name) for name in sorted(names, key=lambda name: (name != LOG, name == RUN, name))]


def _read(run: Run) -> dict[str, Any]:
    try:
        found = run.files.read_json(STATE)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
