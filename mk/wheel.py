"""The wheel holds the product: beside the package what lies at the top of a clone.

A hook of the build, https://hatch.pypa.io/latest/plugins/build-hook/custom/.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TOP = ("builders", "deploy", "mk", "docs", "CHANGELOG.md")


class Product(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":  # which uses the clone's
            build_data["force_include"] |= {folder: f"trainyard/product/{folder}" for folder in TOP}
