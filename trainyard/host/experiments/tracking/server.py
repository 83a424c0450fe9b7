"""The MLflow server of ``make track``: how it is started, found and ended.

mlruns/mlflow.db     its database, where no other is named
mlruns/artifacts/    what runs have uploaded
mlruns/server.json   the process, and where it listens
mlruns/server.log    what it says in the background
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.experiments.tracking.tracker import (
    FOLDER,
    STATE,
    OwnServer,
    artifacts_uri,
    database_uri,
    without_credentials,
)
from trainyard.host.support.processes import started_at
from trainyard.host.support.reporter import Reporter
from trainyard.settings.experiments import ExperimentSettings

LOG = "server.log"
STDERR = 2  # ours, which it writes to itself
POLL = 0.05  # seconds between two looks at a server that is ending
# Module that talks to a store of artifacts, and the package that has it; of a database SQLAlchemy says which module.
STORES = {
    "s3": ("boto3", "boto3"),
    "gs": ("google.cloud.storage", "google-cloud-storage"),
    "wasbs": ("azure.storage.blob", "azure-storage-blob"),
    "abfss": ("azure.storage.filedatalake", "azure-storage-file-datalake"),
}
DATABASES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


def command(bind: str, port: int, workers: int) -> list[str]:
    """What is started. One worker takes a quarter of a gigabyte, and serves a team's trainings."""
    return [
        sys.executable, "-m", "mlflow", "server", "--host", bind, "--port", str(port), "--workers", str(workers or 1),
        "--uvicorn-opts", "--log-level warning",
    ]  # fmt: skip


def variables(settings: ExperimentSettings, root: Path) -> dict[str, str]:
    """Its settings: by name, since a list of processes shows arguments, and the database's URL may have a password."""
    return {
        "MLFLOW_BACKEND_STORE_URI": database_uri(settings, root),
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts_uri(settings, root),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Runs judges of language models, in four more processes.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
    }


def check_drivers(settings: ExperimentSettings) -> None:
    """Raises:
    TrainyardError: a setting asks for a database or a store whose package is not in .venv, or is not the URL of one."""
    module, package = STORES.get(settings.track_artifacts.partition("://")[0], ("", ""))
    if module and not _importable(module):
        raise _missing("TRACK_ARTIFACTS", settings.track_artifacts, package)
    if not settings.track_database:
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        make_url(settings.track_database).get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError):
        what = f"TRACK_DATABASE={without_credentials(settings.track_database)}: not the URL of a database"
        raise TrainyardError(what, "give postgresql://user:password@host/name, or leave it out") from None
    except ImportError as error:
        module = error.name or ""
        raise _missing("TRACK_DATABASE", settings.track_database, DATABASES.get(module, module)) from None


def _missing(name: str, uri: str, package: str) -> TrainyardError:
    return TrainyardError(
        f"{name}={without_credentials(uri)} needs {package}, which is not in .venv",
        f"install it: .venv/bin/uv pip install --python .venv/bin/python '{package}'",
    )


def start(
    argv: list[str], env: Mapping[str, str], root: Path, url: str, reporter: Reporter, *, logged: bool
) -> subprocess.Popen[bytes]:
    """Start it, in a session of its own: Ctrl-C is for us, who end all its processes."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / LOG).open("wb")) if logged else None
        process = subprocess.Popen(
            argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log or STDERR, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    server = OwnServer(url, process.pid, started_at(process.pid))
    try:
        write_whole(folder / STATE, json.dumps(asdict(server)) + "\n")
    except BaseException:  # nobody could find it
        end(server, root, 0, reporter)
        raise
    return process


def end(server: OwnServer, root: Path, seconds: int, reporter: Reporter) -> None:
    """End it, and whatever it has started."""
    if server.alive:
        os.killpg(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while server.alive and time.monotonic() < deadline:
            time.sleep(POLL)
        if server.alive:
            reporter.warn(f"the tracking server did not stop within {seconds} s (STOP_TIMEOUT) and was killed")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    (root / FOLDER / STATE).unlink(missing_ok=True)


def last_lines(root: Path, count: int) -> list[str]:
    """The end of its log, in the background."""
    try:
        return (root / FOLDER / LOG).read_text(errors="replace").splitlines()[-count:]
    except OSError:
        return []


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent of it
        return False
