"""What the verbs for CI servers listen to."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class CiSettings(FromEnvironment):
    """Settings of ``make ci-report`` and ``make ci-train``."""

    report: str = setting(
        "REPORT", "", "make ci-report, make ci-train: the file of the report; default: standard output"
    )
    kind: str = setting("CI", "", "make ci-files, trainyard init: which CI: github, gitlab, both with a comma, or none")
    branch: str = setting(
        "BRANCH",
        "",
        "make ci-train: the branch of origin that results are pushed to; default: the one that is checked out",
        "CI_COMMIT_BRANCH",
    )
    ci_timeout: int = setting(
        "CI_TIMEOUT", 3600, "seconds that make ci-train gives one call of git or dvc over the network; 0: any"
    )
