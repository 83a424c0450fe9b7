"""A word to code that was written for an older pandas."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

BROKE = 3  # copy-on-write everywhere, columns of text are no longer of type object
WORDS = ("StringDtype", "StringArray")


def word_about_pandas(error: BaseException) -> str:
    """What may be behind an error that pandas 3 or newer has raised, or one about its columns of text; else empty."""
    pandas = sys.modules.get("pandas")
    version = str(getattr(pandas, "__version__", ""))
    major = version.partition(".")[0]
    if pandas is None or not major.isdecimal() or int(major) < BROKE:
        return ""
    folder = str(Path(str(pandas.__file__)).parent)
    if not _passes(error.__traceback__, folder) and not any(word in str(error) for word in WORDS):
        return ""
    return f"pandas {version} is installed: code from before pandas {BROKE} may need pandas<{BROKE} in its requirements"


def _passes(trace: TracebackType | None, folder: str) -> bool:
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(folder):
            return True
        trace = trace.tb_next
    return False
