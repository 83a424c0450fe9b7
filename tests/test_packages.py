"""Which packages of a training count, and which differ where its model is served."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from monorepo import ROOT

from trainyard.contract.installed_versions import OF_DAEMON, difference, of_training


def test_the_daemons_packages_are_those_of_every_lock() -> None:
    lines = (ROOT / "builders/base/requirements.txt").read_text().splitlines()
    assert [re.split("[<>=]", line)[0] for line in lines if not line.startswith("#")] == list(OF_DAEMON)


@pytest.mark.slow
def test_what_only_the_daemon_needs_does_not_count() -> None:
    found = of_training([])
    assert found["numpy"] == metadata.version("numpy")
    assert not {"flask", "gunicorn", "werkzeug", "markupsafe"} & found.keys()
    assert of_training(["MarkupSafe"])["markupsafe"] == metadata.version("markupsafe")


def test_only_packages_that_are_here_in_another_version_differ() -> None:
    here = metadata.version("numpy")
    assert difference({}) == ""
    assert difference({"installed": ["numpy"]}) == ""
    assert difference({"installed": {"numpy": here, "no-such-package": "1", "": "1"}}) == ""
    assert difference({"installed": {"numpy": "0.1"}}) == f"numpy 0.1 (here {here})"


def test_of_many_packages_some_are_named() -> None:
    others = dict.fromkeys(("numpy", "pandas", "joblib", "flask", "click", "gunicorn", "werkzeug"), "0.1")
    assert difference({"installed": others}).endswith(" and 2 more")
