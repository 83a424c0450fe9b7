"""Folders of sources that have the name of something that an image has besides, which then hides one of the two."""

from __future__ import annotations

import sys

# Distributions leave such folders beside their own by mistake, and Python's `test` is for Python's tests.
HARMLESS = frozenset({"benchmarks", "docs", "examples", "scripts", "test", "tests", "tools"})
SHARED = frozenset({"common_utils", "utils"})
MOUNTED = ("data", "models")  # there when a container runs, and absent while its image is built
SERVER = frozenset({
    "blinker", "click", "flask", "gunicorn", "httptools", "itsdangerous", "jinja2", "markupsafe", "orjson", "packaging",
    "trainyard", "werkzeug",
})  # fmt: skip
OF_PYTHON = sys.stdlib_module_names - HARMLESS


def owner_of(name: str) -> str:
    """What a top-level folder of that name would hide, or be hidden by; empty where the name is free."""
    if name in OF_PYTHON:
        return "a module of Python's own library"
    if name in SHARED:
        return "the code that all projects share"
    if name in MOUNTED:
        return "a folder that every container has"
    return "a module of the server" if name in SERVER else ""
