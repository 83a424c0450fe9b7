"""Another machine by ssh: this one, as another user."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from needs import need
from ssh_server import ssh_server

from computes.namespaces import run

CONFIG = """
Host far
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
"""


@dataclass(frozen=True)
class SshHost:
    """``ssh -F config far`` logs in. OpenSSH reads ``~/.ssh/config`` of the account, whatever HOME is: so who runs ssh
    has to be given the path."""

    config: Path
    user: str
    home: Path

    def run(self, *command: str, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ssh", "-F", str(self.config), "far", *command], input=stdin, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip

    def lose(self) -> None:
        """All that runs as its user is gone, and with that all connections."""
        _kill_all_of(self.home.stat().st_uid)


@contextmanager
def other_user() -> Iterator[tuple[str, Path]]:
    """One who may use docker, and that nobody else has: name and home."""
    # Not the next free number, which useradd takes: that may be 1001, as whom containers run.
    uid = 200_000 + secrets.randbelow(1_000_000)
    user = f"trainyard-{uid}"
    home = Path("/home") / user  # not below the folder of tests, which is closed to others
    # Without PAM sshd refuses an account that is locked, as one without a password is: `*` is no lock, and no password.
    account = (f"--uid={uid}", f"--home-dir={home}", "--create-home", "--shell=/bin/bash", "--password=*")
    run("useradd", *account, "--user-group", "--groups=docker", user)
    try:
        yield user, home
    finally:
        _kill_all_of(uid)  # who has processes cannot be removed
        run("userdel", "--remove", user)


def _kill_all_of(uid: int) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if process.stat().st_uid == uid:
                os.kill(int(process.name), signal.SIGKILL)


@contextmanager
def ssh_host(folder: Path) -> Iterator[SshHost]:
    for program in ("root", "docker", "ssh", "useradd"):
        need(program)
    with other_user() as (user, home):
        keys = home / ".ssh" / "authorized_keys"
        keys.parent.mkdir()
        with ssh_server(folder, user, keys) as server:
            config = folder / "ssh_config"
            config.write_text(
                CONFIG.format(port=server.port, user=user, key=server.key, known_hosts=server.known_hosts)
            )
            yield SshHost(config, user, home)
