"""Real servers of files: OpenSSH for SFTP, nginx for https, a DVC repository."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from background import accepts
from monorepo import free_port
from needs import need
from ssh_server import ssh_server
from waiting import until

NGINX = """
user {user};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 768; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} {tls};
        root {root};
        autoindex on;
        {more}
    }}
}}
"""
DVC = """
[core]
    remote = kept
    analytics = false
['remote "kept"']
    url = {remote}
"""


@contextmanager
def sftp(folder: Path) -> Iterator[dict[str, str]]:
    """An SFTP server that lets whoever runs the tests in by a key: a client's variables, ``URL`` and ``PID``."""
    with ssh_server(folder) as server:
        yield {
            "SFTP_USERNAME": server.user, "SFTP_KEY_FILE": str(server.key),
            "SFTP_KNOWN_HOSTS": str(server.known_hosts), "URL": f"sftp://127.0.0.1:{server.port}",
            "PID": str(server.pid),
        }  # fmt: skip


@contextmanager
def nginx(folder: Path, root: Path, more: str = "", *, tls: bool = False) -> Iterator[str]:
    """A web server that shows the folder ``root``; its address. ``tls``: with a certificate that nobody knows."""
    need("nginx")
    folder.mkdir(parents=True, exist_ok=True)
    if tls:
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]  # fmt: skip
        subprocess.run(make, cwd=folder, check=True, capture_output=True)
        more += f"\nssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;"
    port = free_port()
    config = folder / "nginx.conf"
    values = {"folder": folder, "port": port, "root": root, "user": getpass.getuser(), "more": more}
    config.write_text(NGINX.format(**values, tls="ssl" if tls else ""))
    server = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: accepts(port), 30)
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


class DvcRepository:
    """A git repository with a DVC remote, whose folder ``data`` DVC keeps. ``bare`` is what others clone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bare = folder / "work", folder / "repo.git"
        (self.folder / "data").mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        from dvc.repo import Repo

        Repo.init(str(self.folder)).close()
        (self.folder / ".dvc" / "config").write_text(DVC.format(remote=folder / "remote"))
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.bare], check=True)
        self.git("remote", "add", "origin", str(self.bare))

    def commit(self, tag: str = "") -> None:
        """Push what is in ``data``, the files with DVC and their hashes with git."""
        from dvc.repo import Repo

        with Repo(str(self.folder)) as repo:
            repo.add(str(self.folder / "data"))
            repo.push()
        self.git("add", "-A")
        self.git("-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-q", "-m", "data")
        if tag:
            self.git("tag", tag)
        self.git("push", "-q", "--tags", "origin", "main")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
