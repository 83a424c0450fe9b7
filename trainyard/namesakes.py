"""Folders of sources that have the name of a module of Python or of the server, which then hides one of the two."""

from __future__ import annotations

import sys

# Distributions leave such folders beside their own by mistake, and Python's `test` is for Python's tests.
HARMLESS = frozenset({"benchmarks", "docs", "examples", "scripts", "test", "tests", "tools"})
SHARED = frozenset({"common_utils", "utils"})
SERVER = frozenset({
    "blinker", "click", "flask", "gunicorn", "httptools", "itsdangerous", "jinja2", "markupsafe", "orjson", "packaging",
    "trainyard", "werkzeug",
})  # fmt: skip
OF_PYTHON = sys.stdlib_module_names - HARMLESS


def owner_of(name: str) -> str:
    """Whose module a top-level folder of that name would hide; empty where it is free."""
    if name in OF_PYTHON:
        return "Python's own library"
    if name in SHARED:
        return "the code that all projects share"
    return "the server" if name in SERVER else ""
