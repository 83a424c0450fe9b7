"""A real PostgreSQL, a real S3 server, MLflow with users: for tests of trackers that a team shares."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monorepo import free_port
from needs import need
from waiting import until

PASSWORD = secrets.token_hex(8)
BUCKET = "team"


@contextmanager
def postgresql() -> Iterator[str]:
    """A server with one database; its URL, password included."""
    need("pg_lsclusters")  # Debian keeps the server's own programs away from PATH
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    # It refuses to run as root, and another user may not look into pytest's folders.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="trainyard-postgresql-"))
    (folder / "password").write_text(PASSWORD)
    if user:
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")
    port = free_port()
    data, password = f"--pgdata={folder / 'data'}", f"--pwfile={folder / 'password'}"
    make = [*user, str(programs / "initdb"), data, password, "--username=me", "--auth=scram-sha-256", "--no-sync"]
    subprocess.run(make, cwd="/", check=True, capture_output=True)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    control = [*user, str(programs / "pg_ctl"), data]
    subprocess.run([*control, "-o", options, "-l", str(folder / "log"), "start"], cwd="/", check=True)
    try:
        yield f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], cwd="/", check=True, capture_output=True)
        shutil.rmtree(folder)


@contextmanager
def object_store(folder: Path, address: str = "127.0.0.1", port: int = 0) -> Iterator[dict[str, str]]:
    """An S3 server that keeps the objects of its one bucket as files below ``folder``; what a client is to have in its
    environment. A second one on the same folder has them, too."""
    need("versitygw")
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    keys = {"ROOT_ACCESS_KEY": "me", "ROOT_SECRET_KEY": PASSWORD}
    server = subprocess.Popen(
        ["versitygw", "--port", f"{address}:{port}", "posix", str(folder)],
        env=os.environ | keys, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: _answers(server, f"http://{address}:{port}/"), 30)
        yield {
            "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": f"http://{address}:{port}",
        }  # fmt: skip
    finally:
        server.terminate()
        server.wait()


@contextmanager
def mlflow_with_users(folder: Path) -> Iterator[str]:
    """MLflow's own server with one user, `admin`; its address, without the password."""
    port = free_port()
    ini = folder / "auth.ini"
    ini.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/users.db\nadmin_username = admin\n"
        f"admin_password = {PASSWORD}\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(ini), "MLFLOW_FLASK_SERVER_SECRET_KEY": PASSWORD}
    options = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "kept")]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--port", str(port), "--workers", "1",
         *options],
        env=os.environ | environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: _answers(server, f"http://127.0.0.1:{port}/health"), 600)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _answers(server: subprocess.Popen[bytes], url: str) -> bool:
    """Whether a server says anything at all."""
    assert server.poll() is None, f"{server.args} ended"
    return subprocess.run(["curl", "--silent", url], stdout=subprocess.DEVNULL, check=False).returncode == 0
