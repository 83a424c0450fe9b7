"""What CI's output says beyond pytest's: a failure at once, for a run that is cut short, and where the time goes."""

from __future__ import annotations

import os
from collections import Counter

import pytest

SECONDS: Counter[str] = Counter()


class AtOnce:
    """Prints a failure when it happens: pytest shows them at the end, which a run that is killed does not reach."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.terminal.ensure_newline()
            self.terminal.write_line(f"FAILED {report.nodeid} ({report.when}, {report.duration:.0f} s)")
            self.terminal.write_line(report.longreprtext[-3000:])


@pytest.hookimpl(trylast=True)  # after the one that makes the terminal reporter
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and terminal:  # a worker has none
        config.pluginmanager.register(AtOnce(terminal))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Sums up, setting up and tearing down included. With workers, the process that prints is called for every test."""
    folder, _, name = report.nodeid.partition("::")[0].rpartition("/")
    SECONDS[folder if folder.count("/") else f"{folder}/{name}"] += report.duration


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI"):
        terminalreporter.section(f"seconds of tests, {sum(SECONDS.values()):.0f} in all")
        for place, seconds in SECONDS.most_common():
            terminalreporter.write_line(f"{seconds:8.0f} {place}")
