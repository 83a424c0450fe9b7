"""An adopted model whose files are not there, as in a clone: git ignores models/."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.errors import ModelUnavailable
from trainyard.models.adopted import predictor


def test_a_clone_without_the_files_is_told_that_git_ignores_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelUnavailable) as raised:
        predictor("old_prices")({"payload": {"instances": [[1, 2]]}})
    assert "models/old_prices.json: no such file" in str(raised.value)
    assert "git ignores models/" in raised.value.hint


def test_a_record_that_make_adopt_did_not_write_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/old_prices.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="does not say how to serve it"):
        predictor("old_prices")({"payload": {"instances": [[1, 2]]}})
