"""Where the product lies: in a clone of its repository, or in an installed package, which has all of it."""

from __future__ import annotations

from pathlib import Path

import trainyard

PACKAGE = Path(trainyard.__file__).resolve().parent
INSTALLED = (PACKAGE / "product").is_dir()  # which the wheel's build makes: mk/wheel.py
# ``builders/`` and ``mk/`` are in here.
PRODUCT = PACKAGE / "product" if INSTALLED else PACKAGE.parent
BUILDER_SOURCES = PRODUCT / "builders"
DOCS = PRODUCT / "docs" if INSTALLED else Path("docs")


def page(name: str) -> str:
    """Where a page of the documentation is, for messages: in a clone by its path from the top."""
    return str(DOCS / name)
