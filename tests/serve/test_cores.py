"""How many workers a container gets."""

import os

import pytest

from trainyard.serve.processes.cores import limit_threads, usable_cores, worker_count

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


def test_workers_are_one_per_core_and_at_most_four():
    assert [worker_count(0, cores) for cores in (1, 3, 64)] == [1, 3, 4]
    assert worker_count(9, 2) == 9


def test_cores_are_shared_and_the_users_choice_stands(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    limit_threads(2, 8)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]) == ("4", "3")
    limit_threads(4, 2)
    assert os.environ["OMP_NUM_THREADS"] == "4"
