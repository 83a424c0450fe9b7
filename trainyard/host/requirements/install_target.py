"""What packages are installed for."""

from __future__ import annotations

from dataclasses import dataclass

OLDEST_PYTHON = "3.11"  # that locks hold for


@dataclass(frozen=True)
class Target:
    """A version of Python as ``3.12``, and a platform as uv names it; an empty one is this machine's."""

    python: str
    platform: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        platform = ("--python-platform", self.platform) if self.platform else ()
        return ("--python-version", self.python, *platform)
