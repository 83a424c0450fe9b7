"""What the verbs for CI servers listen to."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class CiSettings(FromEnvironment):
    """Settings of ``make ci-report`` and ``make ci-train``."""

    report: str = setting("REPORT", "", "make ci-report: the file that it writes; default: standard output")
