"""Settings: declared once, read from an environment, shown in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.settings import HostSettings, ImageSettings, table

DOCS = Path(__file__).parents[1] / "docs"


def test_defaults_and_values() -> None:
    assert HostSettings.read({}).port == 5111
    settings = HostSettings.read({"PORT": "80", "DETACH": "yes", "ENGINE": ""})
    assert (settings.port, settings.detach, settings.engine) == (80, True, "")


def test_historical_spellings() -> None:
    assert ImageSettings.read({"MODElNAME": "old"}).model_name == "old"
    assert ImageSettings.read({"MODElNAME": "old", "MODEL_NAME": "new"}).model_name == "new"


@pytest.mark.parametrize("text", ["-1", "1.5", "ten", "٣"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(TrainyardError, match=r"^PORT="):
        HostSettings.read({"PORT": text})


def test_every_setting_is_in_the_docs() -> None:
    text = (DOCS / "contract.md").read_text()
    for variables, value, help_text in table(HostSettings, ImageSettings):
        default = {"False": "0", "True": "1"}.get(value, value)
        shown = f"| `{variables}` | {f'`{default}`' if default else ''} | {help_text} |"
        assert shown in text, f"docs/contract.md lacks: {shown}"
