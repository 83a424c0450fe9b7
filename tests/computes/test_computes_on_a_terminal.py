"""What somebody at a terminal is asked: what a compute is, and whether a training shall go on there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from monorepo import Model, Monorepo
from needs import need
from waiting import until
from walking import PROJECT, repository

from computes.found_runs import points, runs, said

pytestmark = [pytest.mark.slow, pytest.mark.engine("docker")]


@contextmanager
def terminal(repo: Monorepo, folder: Path, *arguments: str) -> Iterator[pexpect.spawn]:
    session = pexpect.spawn(
        "make", ["--no-print-directory", *arguments], cwd=str(folder), env=repo.environment(), encoding="utf-8",
        timeout=180,
    )  # fmt: skip
    try:
        yield session
    finally:
        session.close(force=True)


def test_what_is_not_given_is_asked(tmp_path: Path) -> None:
    need("docker")
    repo = repository(tmp_path / "repo", "docker")
    model = Model(repo.path / "projects" / PROJECT / "first", PROJECT, "first", "")
    try:
        with terminal(repo, repo.path, "compute-add", f"FOLDER={tmp_path}/far") as session:
            session.expect("Its name")
            session.sendline("here")
            session.expect("Its kind")
            session.sendline("nothing")
            session.expect("none of local, ssh")
            session.expect("Its kind")
            session.sendline("local")
            session.expect("here answers")
            session.expect(pexpect.EOF)
        assert "here:" in (repo.path / "compute.yaml").read_text()
        for answer, status in (("y", "running"), ("n", "interrupted")):
            before = runs(model)
            payload = json.dumps({"params": {"x": 2.5, "steps": 4000, "pause": 0.25}})
            with terminal(repo, model.path, "train", "COMPUTE=here", f"PAYLOAD={payload}") as session:
                session.expect("It trains on here")
                run = until(lambda before=before: next(iter(runs(model) - before), None), 120)
                until(lambda run=run: points(run), 120)
                session.sendintr()
                session.expect_exact("Leave the training running on here? [Y/n]")
                session.sendline(answer)
                session.expect(pexpect.EOF)
            assert said(run)["status"] == status
            if status == "running":
                repo.make(model, "cancel", f"ID={run.name}").succeeded()
        assert not list((tmp_path / "far" / "tasks").iterdir())
    finally:
        repo.make(None, "clean").succeeded()
