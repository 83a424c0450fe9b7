"""A git server, and settings that let it be fetched from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrain.git_servers import GitServer, git_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "served") as found:
        yield found
