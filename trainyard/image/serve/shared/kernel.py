"""What Linux is asked for beyond Python's library."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# What a process holds open that its children could not use side by side.
_SHARED_KINDS = ("socket:", "pipe:", "anon_inode:")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent is gone: prctl(2), PR_SET_CHILD_SUBREAPER.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """Get SIGTERM when the parent ends: prctl(2), PR_SET_PDEATHSIG.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def children() -> list[int]:
    """The processes that have this one as their parent, adopted ones too: proc(5); none where there is none."""
    found: list[int] = []
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # of a thread that has just ended
            found += map(int, listed.read_text().split())
    return found


def receive_descriptors(sock: socket.socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """A message of at most ``size`` bytes, and the descriptors in it, which programs that are started do not inherit.

    Raises:
        OSError: there is none.
    """
    message, descriptors, _, _ = socket.recv_fds(sock, size, most)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return message, descriptors


def above_standard_files(sock: socket.socket) -> socket.socket:
    """The same connection with a number that no standard file has; the other one is closed."""
    with sock:
        return socket.socket(fileno=fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


def has_proc() -> bool:
    """Whether proc(5) is there to look at."""
    return Path("/proc/self/task").is_dir()


def thread_count() -> int:
    """The threads of this process, those of libraries included.

    Raises:
        OSError: there is no proc(5).
    """
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def connections() -> set[str]:
    """The sockets, event queues and the like that this process holds open; none where there is no proc(5)."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir() if has_proc() else ():
        try:
            target = str(entry.readlink())
        except OSError:  # of the listing itself
            continue
        if target.startswith(_SHARED_KINDS):
            found.add(target)
    return found


def occupied_bytes() -> int:
    """The memory that this process has pages in, shared ones counted in full: resident of proc(5); 0: unknown."""
    if not has_proc():
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def oom_kills() -> int | None:
    """How many processes this kernel has killed for want of memory, in any control group: proc(5); None: unknown."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def resident_bytes(pid: int | str = "self") -> int:
    """The memory of a process, its share of what it shares with others: PSS of proc(5); 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
