"""What CI's output says beyond pytest's: a failure when it happens, and in the end where the time went."""

from __future__ import annotations

import os
from collections import Counter

import pytest


class CiOutput:
    """A run that is killed does not reach the end, where pytest shows failures. Seconds are those of each folder's
    tests, setting up and tearing down included."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal
        self.seconds: Counter[str] = Counter()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """With workers, too, the process that prints is called for every test."""
        folder, _, name = report.nodeid.partition("::")[0].rpartition("/")
        self.seconds[folder if folder.count("/") else f"{folder}/{name}"] += report.duration
        if report.failed:
            self.terminal.ensure_newline()
            self.terminal.write_line(f"FAILED {report.nodeid} ({report.when}, {report.duration:.0f} s)")
            self.terminal.write_line(report.longreprtext[-3000:])

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self) -> None:
        self.terminal.section(f"seconds of tests, {self.seconds.total():.0f} in all")
        for place, seconds in self.seconds.most_common():
            self.terminal.write_line(f"{seconds:8.0f} {place}")


@pytest.hookimpl(trylast=True)  # after the one that makes the terminal reporter
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and terminal:  # a worker has none
        config.pluginmanager.register(CiOutput(terminal))
