"""How many workers a container gets."""

import logging
import os

import pytest

from trainyard.image.serve.processes.cores import limit_threads, memory_limit, share_cores, usable_cores
from trainyard.image.serve.shared.worker_limits import WorkerLimits

MIB = 1 << 20
ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("text", "cores"), [("max 100000", ALLOWED), ("100000 100000", 1), ("50000 100000", 1)])
def test_a_quota_of_cgroup_v2_counts(tmp_path, text, cores):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", ALLOWED), ("100000", 1)])
def test_a_quota_of_cgroup_v1_counts(tmp_path, quota, cores):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert usable_cores(tmp_path) == ALLOWED


@pytest.mark.parametrize(
    ("file", "text", "granted"),
    [
        ("memory.max", "max", 0),
        ("memory.max", "268435456", 256 * MIB),
        ("memory/memory.limit_in_bytes", "268435456", 256 * MIB),
        ("memory/memory.limit_in_bytes", "9223372036854771712", 0),
    ],
)
def test_a_limit_of_memory_of_both_cgroups_counts(tmp_path, file, text, granted):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text + "\n")
    assert memory_limit(tmp_path) == granted


def test_without_control_groups_memory_has_no_limit(tmp_path):
    assert memory_limit(tmp_path) == 0


def test_workers_are_one_per_core_and_at_most_four_that_share_nothing():
    assert [WorkerLimits(0, cores).most(shared=True) for cores in (1, 3, 64)] == [1, 3, 64]
    assert [WorkerLimits(0, cores).most(shared=False) for cores in (1, 3, 64)] == [1, 3, 4]
    assert [WorkerLimits(9, 2).most(shared=shared) for shared in (True, False)] == [9, 9]


@pytest.mark.parametrize(
    ("memory", "shared", "workers"),
    [(0, True, 8), (0, False, 4), (400, True, 8), (200, True, 3), (110, True, 1), (50, True, 1), (500, False, 2)],
)
def test_memory_decides_how_many_fit(memory, shared, workers):
    """Of 8 cores, with models of 100 MiB."""
    assert WorkerLimits(0, 8, memory * MIB).fitting(100 * MIB, shared=shared) == workers


def test_as_long_as_nobody_knows_what_a_worker_takes_there_is_one():
    assert WorkerLimits(0, 8, 500 * MIB).fitting(0, shared=False) == 1
    assert WorkerLimits(0, 8).fitting(0, shared=False) == 4
    assert WorkerLimits(3, 8, 500 * MIB).fitting(0, shared=False) == 3


@pytest.mark.parametrize(
    ("limits", "level", "text"),
    [
        (
            WorkerLimits(0, 8, 200 * MIB),
            "INFO",
            "3 of 8 workers: they may take 175 MiB, 8 would 300 MiB of the 200 MiB",
        ),
        (WorkerLimits(0, 1, 100 * MIB), "WARNING", "the models take 100 MiB of the 100 MiB"),
        (WorkerLimits(8, 8, 200 * MIB), "WARNING", "WORKERS=8 may take 300 MiB of the 200 MiB"),
        (WorkerLimits(0, 8, 900 * MIB), "INFO", ""),
        (WorkerLimits(0, 8), "INFO", ""),
    ],
)
def test_what_memory_forbids_is_logged(limits, level, text):
    found_level, found = limits.remark(100 * MIB, shared=True)
    assert (logging.getLevelName(found_level), found[: len(text)]) == (level, text)
    assert bool(found) == bool(text)


def test_trainings_share_the_cores_and_their_threads_sleep(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that what is set meanwhile is undone
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "9")
    share_cores(1)
    assert os.environ["MKL_NUM_THREADS"] == str(usable_cores())
    assert (os.environ["OPENBLAS_THREAD_TIMEOUT"], os.environ["OMP_WAIT_POLICY"]) == ("9", "PASSIVE")


def test_what_forks_after_its_imports_has_one_thread_for_linear_algebra(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    share_cores(1, forks=True)
    found = [os.environ[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")]
    assert found == [str(usable_cores()), "1", "1"]


def test_cores_are_shared_and_the_users_choice_stands(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    limit_threads(2, 8)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]) == ("4", "3")
    limit_threads(4, 2)
    assert os.environ["OMP_NUM_THREADS"] == "4"
