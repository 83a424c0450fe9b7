"""Where runs are tracked: the server that TRACKING_URI names, else the one that ``make track`` has started.

Nothing here asks the network or imports MLflow: it costs a training nothing to find that there is no tracker.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from trainyard.errors import TrainyardError
from trainyard.host.support.processes import started_at
from trainyard.settings.experiments import ExperimentSettings

FOLDER = "mlruns"  # at the root, and not below .trainyard/: `make clean` must not remove experiments
STATE = "server.json"
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")


@dataclass(frozen=True)
class Tracker:
    """An MLflow server; or, with ``artifacts``, its database and its folder of artifacts without a server."""

    uri: str = field(repr=False)
    shown: str  # as it may be printed and written down
    user: str = ""
    password: str = field(default="", repr=False)
    artifacts: str = ""


@dataclass(frozen=True)
class OwnServer:
    """The server that ``make track`` has started: the first of its processes, and where it listens."""

    url: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        return started_at(self.pid) == self.started != ""


def chosen_tracker(settings: ExperimentSettings, root: Path) -> Tracker | None:
    """Where runs are logged to now; None where nobody wants to know of them.

    Raises:
        TrainyardError: TRACKING_URI is not the URL of a server.
    """
    if settings.tracking_uri:
        return _given(settings.tracking_uri)
    server = own_server(root)
    return Tracker(server.url, server.url) if server and server.alive else None


def tracker_or_store(settings: ExperimentSettings, root: Path) -> Tracker:
    """The same; where no server runs, the database itself, which knows all that the server of ``make track`` knows."""
    if tracker := chosen_tracker(settings, root):
        return tracker
    database = database_uri(settings, root)
    return Tracker(database, without_credentials(database), artifacts=artifacts_uri(settings, root))


def database_uri(settings: ExperimentSettings, root: Path) -> str:
    """The database of ``make track``."""
    return settings.track_database or f"sqlite:///{(root / FOLDER).absolute()}/mlflow.db"


def artifacts_uri(settings: ExperimentSettings, root: Path) -> str:
    """Where ``make track`` keeps artifacts."""
    return settings.track_artifacts or str((root / FOLDER / "artifacts").absolute())


def own_server(root: Path) -> OwnServer | None:
    """What ``make track`` has written down of its server, which may be gone."""
    try:
        found = json.loads((root / FOLDER / STATE).read_bytes())
        return OwnServer(str(found["url"]), int(found["pid"]), str(found["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def without_credentials(text: str) -> str:
    """A URL, or a text with URLs in it, without the user names and passwords in them."""
    return _USERINFO.sub("", text)


def _given(uri: str) -> Tracker:
    """A URL with its credentials apart: MLflow would repeat them in its messages."""
    fix = "give the URL of an MLflow server, as http://host:5007"
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise TrainyardError(f"TRACKING_URI={without_credentials(uri)}: not the URL of a server", fix)
    name = f"[{host}]" if ":" in host else host
    clean = urlunsplit((parts.scheme, f"{name}:{port}" if port else name, parts.path.rstrip("/"), "", ""))
    return Tracker(clean, clean, unquote(parts.username or ""), unquote(parts.password or ""))
