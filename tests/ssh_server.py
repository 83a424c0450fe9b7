"""OpenSSH's server on loopback, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from background import accepts
from monorepo import free_port
from needs import need
from waiting import until

SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {authorized_keys}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class SshServer:
    """What a client has to know."""

    port: int
    user: str
    key: Path
    known_hosts: Path
    pid: int


def make_key(path: Path) -> None:
    """A pair: ``path`` and ``path``.pub."""
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)


@contextmanager
def ssh_server(folder: Path, user: str = "", authorized_keys: Path | None = None) -> Iterator[SshServer]:
    """Lets ``user`` (who runs the tests) in by the key ``client_key`` of the folder. ``authorized_keys``: the file that
    has its public half, where ``user`` cannot read that folder; sshd reads it as that user."""
    need("/usr/sbin/sshd")
    folder.mkdir(parents=True, exist_ok=True)
    user = user or getpass.getuser()
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    make_key(folder / "host_key")
    make_key(folder / "client_key")
    port = free_port()
    keys = authorized_keys or folder / "client_key.pub"
    if authorized_keys:
        shutil.copy(folder / "client_key.pub", authorized_keys)
    (folder / "config").write_text(SSHD.format(port=port, folder=folder, authorized_keys=keys, user=user))
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    command = ["/usr/sbin/sshd", "-D", "-f", str(folder / "config"), "-E", str(folder / "log")]
    server = subprocess.Popen(command)
    try:
        until(lambda: accepts(port), 30, (folder / "log").read_text)
        yield SshServer(port, user, folder / "client_key", folder / "known_hosts", server.pid)
    finally:
        server.terminate()
        server.wait()
