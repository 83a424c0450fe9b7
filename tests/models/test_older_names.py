"""``common_utils`` and ``utils``: what models imported before ``trainyard.models`` was there."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("trainyard.models", "trainyard.contract.datasets")
OLDER = sorted(
    f"{folder}.{path.stem}"
    for folder in ("common_utils", "utils")
    for path in (ROOT / folder).glob("*.py")
    if path.stem != "__init__"
)


@pytest.mark.parametrize("name", OLDER)
def test_an_older_name_is_the_same_module(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__name__ in {f"{room}.{name.partition('.')[2]}" for room in ROOMS}
    assert module is importlib.import_module(module.__name__)


def test_a_pickle_from_before_is_read() -> None:
    """It names the class by its older module."""
    from trainyard.models.tables import Schema

    old = b"ccommon_utils.tables\nSchema\n."  # protocol 0: one global
    assert pickle.loads(old) is Schema
