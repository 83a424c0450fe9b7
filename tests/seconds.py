"""Where CI's time goes: the seconds of the tests of each folder, setting up and tearing down included."""

from __future__ import annotations

import os
from collections import Counter

import pytest

SECONDS: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """With workers this is called in the process that prints, too, for every test."""
    folder, _, name = report.nodeid.partition("::")[0].rpartition("/")
    SECONDS[folder if folder.count("/") else f"{folder}/{name}"] += report.duration


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI"):
        terminalreporter.section(f"seconds of tests, {sum(SECONDS.values()):.0f} in all")
        for place, seconds in SECONDS.most_common():
            terminalreporter.write_line(f"{seconds:8.0f} {place}")
