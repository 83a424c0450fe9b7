"""docs/migrating.md: each command as it stands there, in a monorepo with the sources beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from foreign import SOURCES, copy_of
from monorepo import ROOT, Monorepo, free_port

pytestmark = pytest.mark.slow

STEP = re.compile(r"^    \$ (.*)\n((?:    (?!\$ ).*\n)*)", re.MULTILINE)


def test_the_page_about_migrating(tmp_path: Path) -> None:
    old = copy_of("historical", tmp_path / "old")
    for name in ("lending", "tutorial"):
        shutil.rmtree(old / name)
    for source in SOURCES.iterdir():
        copy_of(source.name, tmp_path / ("rents" if source.name == "prices" else source.name))
    repo = Monorepo(tmp_path / "models")
    steps = STEP.findall((ROOT / "docs" / "migrating.md").read_text())
    assert len(steps) > 12
    environment = repo.environment(PORT=str(free_port()))
    for command, below in steps:
        done = subprocess.run(
            ["bash", "-c", command], cwd=repo.path, env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        printed = [line.strip() for line in done.stdout.splitlines()]
        wanted = [line.strip() for line in below.splitlines()]
        assert [line for line in printed if line in wanted] == wanted, command
