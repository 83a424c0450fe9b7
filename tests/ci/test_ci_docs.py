"""The worked example of docs/ci.md prints what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from worked_examples import commit_all, follow, shipped_clone

pytestmark = pytest.mark.slow
WHO = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def test_the_worked_example(tmp_path: Path) -> None:
    clone = shipped_clone(tmp_path / "trainyard")
    commit_all(clone)
    follow(clone, "ci.md", **WHO)
