"""What the verbs that make projects and models listen to."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class ScaffoldSettings(FromEnvironment):
    """Settings of ``make import``."""

    source: str = setting("FROM", "", "make import: the folder, or the URL of a git repository, that is brought here")
    project: str = setting("PROJECT", "", "make import: the project that it comes to; default: as it is called there")
