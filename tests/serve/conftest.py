"""Fixtures that start real daemons on free ports."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import CASES, ENVIRONMENT, Daemon, end


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """``start(case, prefix=(), **environ)``: a daemon in a copy of a case folder."""
    with contextlib.ExitStack() as stack:

        def run(case: str | Path, prefix=(), **environ) -> Daemon:
            folder = Path(case)
            if not folder.is_absolute():
                folder = tmp_path_factory.mktemp("daemon") / "action"
                shutil.copytree(CASES / case, folder)
                (folder / "models").mkdir()
            daemon = Daemon(folder, prefix, **environ)
            stack.callback(end, daemon.process)
            return daemon

        yield run


@pytest.fixture(scope="session")
def daemon(start):
    """One daemon with two workers, shared by the tests that change nothing."""
    return start("basic", WORKERS="2")


@pytest.fixture
def refused():
    """``refused(folder, prefix=(), **environ)``: the exit status and stderr of a daemon that cannot start."""

    def run(folder: Path, prefix: tuple[str, ...] = (), **environ: str) -> tuple[int, str]:
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "trainyard.image.serve"],
            cwd=folder,
            env=ENVIRONMENT | environ,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.returncode, done.stderr

    return run
