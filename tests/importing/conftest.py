"""A monorepo for the tests of one file; a test removes nothing, so each imports to names of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from monorepo import Monorepo


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    repo = Monorepo(tmp_path_factory.mktemp("repo"))
    yield repo
    repo.make(None, "stop")
