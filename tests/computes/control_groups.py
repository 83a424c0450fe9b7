"""The control groups of a node: its kubelet wants one to put pods in."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from waiting import until

ROOT = Path("/sys/fs/cgroup")
VERSION_2 = (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """One in version 2; in version 1 one for each controller, or a few that are mounted together."""
    if VERSION_2:
        return [ROOT]
    return [path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink() and path.name != "unified"]


def make(name: str) -> None:
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir()
        if VERSION_2:
            with suppress(OSError):  # where processes are beside it, as in a container
                (ROOT / "cgroup.subtree_control").write_text("+cpu +cpuset +memory +pids")
        for file in ("cpuset.cpus", "cpuset.mems"):  # without them no process can enter a group of version 1
            if not VERSION_2 and (group / file).exists():
                (group / file).write_text((hierarchy / file).read_text())


def remove(name: str) -> None:
    """Once what runs in them is dead, which takes the kernel a moment. runc makes more than ``make`` does."""
    for group in (ROOT / name, *ROOT.glob(f"*/{name}")):
        until(partial(_gone, group), 30, partial(_processes, group))


def _gone(group: Path) -> bool:
    for path in sorted([group, *group.rglob("*/")], reverse=True):
        with suppress(OSError):
            path.rmdir()
    return not group.exists()


def _processes(group: Path) -> str:
    return " ".join(path.read_text() for path in group.rglob("cgroup.procs"))
