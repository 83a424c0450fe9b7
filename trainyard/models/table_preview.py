"""The first rows of a table as JSON, for a program that has no reader of tables: run it with a path and a number."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.models.table_files import read_lines


def main(path: str, count: str) -> None:
    """Prints ``{"names": [...], "rows": [[...], ...]}``, or ``{"error": ..., "hint": ...}``."""
    try:
        lines = [fields for _, fields in itertools.islice(read_lines(Path(path)), int(count) + 1)]
        found = {"names": lines[0] if lines else [], "rows": lines[1:]}
    except TrainyardError as error:
        found = {"error": error.message, "hint": error.hint}
    print(json.dumps(found, default=str))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
