"""make prune on computes: what nobody wants any more goes, all else stays."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml
from monorepo import Made, Monorepo

from trainyard.host.operations.on_compute.training import clone_mark

FUTURE, PAST = 4_000_000_000, 1  # seconds since 1970
OURS, OTHERS = True, False


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    """With a compute that has no engine: none is needed to tidy up."""
    repo = Monorepo(tmp_path / "repo")
    computes = {"lab": {"kind": "local", "folder": str(tmp_path / "far")}}
    (repo.path / "compute.yaml").write_text(yaml.safe_dump(computes))
    (tmp_path / "far" / "data").mkdir(parents=True)
    return repo


def put_task(repo: Monorepo, name: str, *, ours: bool, until: int) -> Path:
    """A task as a client that is gone has left it."""
    folder = repo.path.parent / "far" / "tasks" / name
    folder.mkdir(parents=True)
    clone = clone_mark(repo.path.resolve()) if ours else "0" * 12
    (folder / "labels").write_text(f"run run-of-{name}\nclone {clone}\nuntil {until}\n")
    return folder


def put_run(repo: Monorepo, task: str, status: str) -> None:
    folder = repo.path / "projects" / "sums" / "runs" / f"run-of-{task}"
    folder.mkdir(parents=True)
    facts = {"model": "sums/one", "model_name": "one", "status": status, "started": "2026-01-01T00:00:00+00:00"}
    ended = {"finished": "2026-01-01T00:01:00+00:00"} if status != "running" else {}
    (folder / "run.json").write_text(json.dumps({**facts, **ended, "compute": "lab"}))


def prune(repo: Monorepo, *arguments: str) -> Made:
    return repo.make(None, "prune", *arguments).succeeded()


@pytest.mark.parametrize(
    ("ours", "until", "status", "why"),
    [
        (OURS, FUTURE, "", "its run is gone"),
        (OURS, FUTURE, "finished", "its run is over: finished"),
        (OURS, FUTURE, "running", ""),
        (OURS, PAST, "running", "its time is over"),
        (OTHERS, FUTURE, "", ""),
        (OTHERS, PAST, "", "its time is over"),
        (OTHERS, 0, "", ""),
    ],
)
def test_tasks(repo: Monorepo, ours: bool, until: int, status: str, why: str) -> None:
    folder = put_task(repo, "ty-one", ours=ours, until=until)
    if status:
        put_run(repo, "ty-one", status)
    shown = prune(repo, "-n")
    assert (f"remove ty-one on lab ({why})" in shown.out) == bool(why), shown.out
    assert folder.is_dir()
    made = prune(repo)
    assert (f"Removed ty-one on lab ({why})" in made.err) == bool(why), made.err
    assert folder.is_dir() == (not why)


def test_a_run_that_cannot_be_read_is_left_alone(repo: Monorepo) -> None:
    folder = put_task(repo, "ty-one", ours=True, until=FUTURE)
    put_run(repo, "ty-one", "odd")
    prune(repo)
    assert folder.is_dir()


def test_data_that_nothing_has_read_for_long(repo: Monorepo) -> None:
    data = repo.path.parent / "far" / "data"
    for name, days in (("a" * 64, 32), ("b" * 64, 29), (".part-broken", 32)):
        (data / name).mkdir() if name.startswith(".") else (data / name).write_bytes(bytes(3_000_000))
        os.utime(data / name, (time.time() - days * 86400,) * 2)
    assert "remove 3.0 MB of data on lab (unread for 30 days)" in prune(repo, "-n").out
    assert len(list(data.iterdir())) == 3
    assert "Removed 3.0 MB of data on lab" in prune(repo).err
    assert [path.name for path in data.iterdir()] == ["b" * 64]
    prune(repo, "PRUNE_DATA_DAYS=20")
    assert not list(data.iterdir())


def test_a_compute_that_does_not_answer_keeps_nothing_from_the_others(repo: Monorepo) -> None:
    computes = yaml.safe_load((repo.path / "compute.yaml").read_text())
    away = {"kind": "ssh", "host": "nobody.invalid"}
    (repo.path / "compute.yaml").write_text(yaml.safe_dump({"away": away, **computes, "too": away}))
    folder = put_task(repo, "ty-one", ours=True, until=FUTURE)
    made = prune(repo)
    assert not folder.exists()
    assert sum("what is left there stays" in line for line in made.err.splitlines()) == 2, made.err


def test_a_mistake_in_compute_yaml_ends_nothing(repo: Monorepo) -> None:
    (repo.path / "compute.yaml").write_text("lab: {kind: nonsense}\n")
    assert "no compute is looked at" in prune(repo).err
