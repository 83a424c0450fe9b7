"""A monorepo on the process engine, new for each test that asks for no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from monorepo import Monorepo


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo")
