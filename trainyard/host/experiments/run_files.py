"""The runs of a project, ``runs/<id>/``: making one, writing down how it goes, finding it again.

``run.json`` has what was asked and what came of it; ``contract/run_folder.py`` says what else
lies in a run's folder.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from trainyard.contract.model_files import is_model_name
from trainyard.errors import TrainyardError
from trainyard.host.support.processes import started_at
from trainyard.host.support.reporter import Reporter
from trainyard.host.support.shared_folder import SharedFolder

FOLDER = "runs"
RUN = "run.json"
PLACED = "compute.json"  # of a run that was submitted to a compute: where it is there
TRAINED_AS = "trained_as"  # a tag of runs whose model was renamed since: <project>/<model> in their commit
Status = Literal["running", "finished", "failed", "pruned", "interrupted", "killed"]
Kind = Literal["training", "tuning", "trial"]


@dataclass(frozen=True)
class Run:
    """One training, or one search for parameters (``tuning``), of which the trials are runs, too."""

    id: str
    folder: Path  # its own, <project>/runs/<id>
    model: str  # <project>/<model>
    model_name: str
    kind: Kind = "training"
    parent: str = ""  # the id of the tuning that a trial is of
    status: Status = "running"
    started: str = ""  # ISO 8601, UTC
    finished: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    built: Mapping[str, str] = field(default_factory=dict)  # its image: experiments/origin.py
    payload: Mapping[str, Any] = field(default_factory=dict)  # what its train function was given, in that order
    error: str = ""
    compute: str = ""  # where it runs, by name; empty: here
    host: str = ""
    pid: int = 0  # the process that looks after it, and when that one started
    pid_started: str = ""

    def path(self, name: str) -> Path:
        """Where a file of the run is, for messages: what opens it is ``files``."""
        return self.folder / name

    @property
    def files(self) -> SharedFolder:
        """The folder as its containers may have left it."""
        return SharedFolder.of_run(self.folder)

    def saved(self, **changes: Any) -> Run:
        """The run with ``changes``, written to its run.json.

        Raises:
            TrainyardError: it cannot be written; what was there stays.
        """
        changed = replace(self, **changes)
        content = {name: value for name, value in asdict(changed).items() if name != "folder"}
        content["metrics"] = {
            name: value if math.isfinite(value) else str(value) for name, value in changed.metrics.items()
        }
        try:
            text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
            self.files.write(RUN, text.encode(errors="replace"))  # a name of a file may have half a character
        except OSError as error:
            raise TrainyardError(f"{self.path(RUN)}: {error.strerror}", "check permissions and space") from None
        return changed

    def ended(self, status: Status, **changes: Any) -> Run:
        """The run, over; raises as ``saved`` does."""
        return self.saved(status=status, finished=now(), **changes)

    def taken_over(self) -> Run:
        """The run, going on: from now on this process looks after it."""
        pid = os.getpid()
        facts = {"host": socket.gethostname(), "pid": pid, "pid_started": started_at(pid)}
        return self.saved(status="running", finished="", error="", **facts)

    @property
    def short_id(self) -> str:
        """The end of its id, by which ID= finds it: ids begin with the same date."""
        return self.id.rpartition("-")[2]

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs, or where nobody saw its end."""
        if not self.started or not self.finished:
            return None
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()


def new_run(project: Path, model: str, model_name: str, **facts: Any) -> Run:
    """Make the folder of a run that starts now; this process looks after it.

    Raises:
        TrainyardError: the folder cannot be made.
    """
    started = datetime.now(UTC)
    # Its last part begins with the part of the second: runs of one second have an order, too.
    part = started.microsecond * 256 // 1_000_000
    name = f"{started:%Y%m%d-%H%M%S}-{model_name}-{part:02x}{secrets.token_hex(2)}"
    folder = project / FOLDER / name
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise TrainyardError(
            f"{folder}: cannot be made ({error.strerror})", "check the project's permissions"
        ) from None
    return Run(name, folder, model, model_name, started=_iso(started), **facts).taken_over()


def end_run(run: Run, status: Status, reporter: Reporter, **changes: Any) -> Run:
    """The run, over. Where that cannot be written down, it is a warning: what counts is how the run ended."""
    try:
        return run.ended(status, **changes)
    except TrainyardError as error:
        reporter.warn(str(error))
        return replace(run, status=status, finished=now(), **changes)


def read_run(folder: Path, reporter: Reporter) -> Run:
    """The run of a folder. One whose process is gone without a word was killed, and is written down so.

    Raises:
        TrainyardError: it has no readable run.json.
    """
    path = folder / RUN
    try:
        content = SharedFolder.of_run(folder).read_json(RUN)
        if not isinstance(content, dict) or not isinstance(content.get("metrics", {}), dict):
            raise ValueError("it is, or its metrics are, no JSON object")
        run = Run(folder=folder, **_facts(folder, content))
        _check(run)
    except (OSError, LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise TrainyardError(f"{path}: not a readable run ({error})", f"remove {folder}, or restore the file") from None
    if run.status == "running" and _is_looked_after_here(run) and started_at(run.pid) != run.pid_started:
        return end_run(run, "killed", reporter, error="the process that ran it is gone")
    return run


def _is_looked_after_here(run: Run) -> bool:
    """A training that was submitted to a compute needs nobody; the search of a tuning goes on here."""
    submitted = run.compute and run.kind == "training" and run.files.has(PLACED)
    return run.host == socket.gethostname() and not submitted


def _facts(folder: Path, content: dict[str, Any]) -> dict[str, Any]:
    """What run.json says. Containers write to the folder, so what becomes a part of a path is looked at."""
    known = {item.name for item in fields(Run)}
    facts = {name: value for name, value in content.items() if name in known} | {"id": folder.name}
    for name, value in (("model_name", facts["model_name"]), ("parent", facts.get("parent") or "none")):
        if not is_model_name(value):
            raise ValueError(f"its {name} is {value!r}")
    facts["pid"] = int(facts.get("pid", 0))
    facts["metrics"] = {name: float(value) for name, value in content.get("metrics", {}).items()}
    return facts


def _check(run: Run) -> None:
    """Raises:
    ValueError: a value is not what we write there: somebody has edited the file."""
    for name, known in (("status", get_args(Status)), ("kind", get_args(Kind))):
        if getattr(run, name) not in known:
            raise ValueError(f"{name}: {getattr(run, name)!r} is none of {', '.join(known)}")
    names = ("model", "model_name", "parent", "error", "compute", "started", "finished")
    texts = {name: getattr(run, name) for name in names}
    for name, value in {**texts, **{f"tag {name}": value for name, value in run.tags.items()}}.items():
        if not isinstance(value, str):
            raise ValueError(f"{name}: {value!r} is not a text")
    for name in ("params", "payload"):
        if not isinstance(getattr(run, name), dict):
            raise ValueError(f"{name}: not names and values")
    for moment in (run.started, run.finished if run.status != "running" else run.started):
        if datetime.fromisoformat(moment).tzinfo is None:
            raise ValueError(f"{moment}: a time without its zone")


def runs_of(projects: list[Path], reporter: Reporter) -> Iterator[Run | TrainyardError]:
    """Every run of some projects, the oldest first; in the place of one that cannot be read, why."""
    folders = (path.parent for project in projects for path in project.glob(f"{FOLDER}/*/{RUN}"))
    for folder in sorted(folders, key=lambda path: begun(path.name)):
        try:
            yield read_run(folder, reporter)
        except TrainyardError as error:
            yield error


def find_run(projects: list[Path], wanted: str, reporter: Reporter, model: str = "") -> Run:
    """The run whose id is ``wanted``, begins or ends with it; ``latest`` is the newest, of ``model`` if that is given.

    Raises:
        TrainyardError: there is none, or more than one.
    """
    found = (path.parent for project in projects for path in project.glob(f"{FOLDER}/*/{RUN}"))
    names = sorted(found, key=lambda path: begun(path.name))
    if wanted == "latest":
        for folder in reversed(names):
            try:
                run = read_run(folder, reporter)
            except TrainyardError as error:
                reporter.warn(str(error))  # the latest that can be read
                continue
            if run.kind != "trial" and model in ("", run.model):
                return run
        raise TrainyardError("there are no runs yet", "make train")
    named = [path for path in names if path.name == wanted]
    named = named or [path for path in names if path.name.startswith(wanted) or path.name.endswith(wanted)]
    if not wanted or not named:
        raise TrainyardError(f"ID={wanted}: no such run", "make runs lists them")
    if len(named) > 1:
        raise TrainyardError(
            f"ID={wanted}: {len(named)} runs are called so", "give more of the id; make runs lists them"
        )
    return read_run(named[0], reporter)


def begun(run_id: str) -> tuple[str, str, str]:
    """By what runs are in the order in which they began: the second, and the part of it."""
    return run_id[: len("20261231-235959")], run_id.rpartition("-")[2], run_id


def now() -> str:
    """The time, as it is written down."""
    return _iso(datetime.now(UTC))


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
