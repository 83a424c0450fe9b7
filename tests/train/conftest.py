"""Trains in small source folders, by the command that a train image runs."""

import pytest
from train_sources import Sources


@pytest.fixture
def sources(tmp_path):
    return Sources(tmp_path / "model")
