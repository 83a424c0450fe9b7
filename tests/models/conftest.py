"""Makes ``common_utils``, ``utils`` and the projects importable, as they are in an image."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHONPATH = [str(ROOT), str(ROOT / "projects")]
sys.path[:0] = [folder for folder in PYTHONPATH if folder not in sys.path]


@pytest.fixture
def python_path() -> str:
    """PYTHONPATH for a child process."""
    return ":".join(PYTHONPATH)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with ``models/``, the current one during the test."""
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODEL_NAME", raising=False)
    monkeypatch.delenv("MODElNAME", raising=False)
    return tmp_path
