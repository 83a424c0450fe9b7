"""The cores and the memory that this process may use, which in a container are not all that the machine has."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60  # bytes; cgroup v1 says some such number for none
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """The cores this process may run on, at most as many as its control group (v1 or v2) grants; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = _granted(cgroup)
    return max(1, min(allowed, int(granted))) if granted else allowed


def _granted(cgroup: Path) -> float:
    """Cores that the control group grants; 0 where it sets no limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return 0
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else 0


def memory_limit(cgroup: Path = CGROUP) -> int:
    """The bytes that its control group (v1 or v2) grants; 0 where it sets no limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (cgroup / name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdecimal() and int(text) < _UNLIMITED else 0
    return 0


def share_cores(trainings: int, *, forks: bool = False) -> None:
    """Before numerical libraries are imported: a training computes with its share of the cores, and its threads sleep
    while they wait. OpenBLAS and OpenMP let them spin, which on a machine that has other work to do took a small
    network 15 s in place of 3.

    ``forks``: once libraries are imported; the threads of OpenBLAS, which start then, would not survive it.
    """
    if forks:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("MKL_NUM_THREADS", "1")
    limit_threads(trainings, usable_cores())
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # the smallest: 2^4 turns
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def limit_threads(workers: int, cores: int) -> bool:
    """Share the cores among the workers: numerical libraries else start one thread per core in every worker. What is
    set already stays as it is.

    Returns:
        Whether they will start none, so that models can be loaded before the workers are forked.
    """
    for variable in _THREAD_VARIABLES:
        os.environ.setdefault(variable, str(max(1, cores // workers)))
    return all(os.environ[variable] == "1" for variable in _THREAD_VARIABLES)
