"""A machine of its own on this one: namespaces that a process keeps, and that go with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from background import Daemon
from waiting import until


class Namespaces:
    """Network, mounts and processes. When ``stop`` kills their first process, the kernel ends all others in there and
    removes mounts and interfaces, so that nothing has to be found and undone."""

    def __init__(self, log: Path) -> None:
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "kube-pause"]
        self._daemon = Daemon(log, command)
        self.pid = 0

    def start(self) -> None:
        self._daemon.start()
        children = Path(f"/proc/{self._daemon.pid}/task/{self._daemon.pid}/children")
        self.pid = int(until(lambda: children.read_text().strip(), 10, self._daemon.shown))
        # The child is there before what it unshares is ready: it is once it has become the program.
        name = Path(f"/proc/{self.pid}/comm")
        until(lambda: name.read_text() != "unshare\n", 10, self._daemon.shown)

    def inside(self, *command: str) -> list[str]:
        """The command that runs ``command`` in there."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", "--", *command]

    def run(self, *command: str) -> str:
        return run(*self.inside(*command))

    def ip(self, arguments: str) -> None:
        """``ip`` in its network, but among the processes of this machine: a ``netns`` is one's number out here."""
        run("nsenter", f"--target={self.pid}", "--net", "--", "ip", *arguments.split())

    def stop(self) -> None:
        self._daemon.kill()


def run(*command: str) -> str:
    """What a program prints; the test fails with what it says where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout
