"""Settings: declared once, read from an environment, shown in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.settings.ci import CiSettings
from trainyard.settings.compute import ComputeSettings, NewComputeSettings, RegistrySettings
from trainyard.settings.data import DataSettings, PackageSettings, StoreSettings
from trainyard.settings.declarations import table
from trainyard.settings.experiments import ExperimentSettings
from trainyard.settings.host import PASSED_ON, HostSettings, passed_on
from trainyard.settings.image import ImageSettings
from trainyard.settings.retrain import ClientSettings, RetrainSettings
from trainyard.settings.scaffold import ScaffoldSettings

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
    for variables, value, help_text in table(
        HostSettings,
        ExperimentSettings,
        ComputeSettings,
        NewComputeSettings,
        RegistrySettings,
        DataSettings,
        ImageSettings,
        ScaffoldSettings,
        StoreSettings,
        PackageSettings,
        RetrainSettings,
        ClientSettings,
        CiSettings,
    ):
        default = {"False": "0", "True": "1"}.get(value, value)
        shown = f"| `{variables}` | {f'`{default}`' if default else ''} | {help_text} |"
        assert shown in text, f"docs/contract.md lacks: {shown}"


def test_what_is_handed_on_is_a_setting_of_the_server() -> None:
    assert set(PASSED_ON) <= {name for names, _, _ in table(ImageSettings) for name in names.split(", ")}


def test_a_former_name_still_works() -> None:
    assert HostSettings.read({"BUILD_LOCK_TIMEOUT": "7"}).lock_timeout == 7
    assert HostSettings.read({"BUILD_LOCK_TIMEOUT": "7", "LOCK_TIMEOUT": "8"}).lock_timeout == 8


def test_what_is_handed_on_is_checked_first() -> None:
    assert passed_on({"TIMEOUT": "5", "PORT": "1", "X": "2"}) == {"TIMEOUT": "5"}
    with pytest.raises(TrainyardError, match=r"^THREADS=many: "):
        passed_on({"THREADS": "many"})
