"""Where the Trainyard that runs was installed from, so that a monorepo can name it."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import trainyard
from trainyard.host.monorepo.pin import Pin

# The direct URL of a distribution: https://packaging.python.org/en/latest/specifications/direct-url/
RECORD = "direct_url.json"


def own_pin() -> tuple[Pin, Path | None]:
    """The pin of the running version, and the wheel that it has to be given: a monorepo keeps a file in its mk/, as
    clones of it have no other."""
    url, commit = _direct_url()
    if not url:
        return Pin(trainyard.__version__), None
    if commit:
        return Pin(trainyard.__version__, f"git+{url}@{commit}"), None
    path = Path(unquote(urlsplit(url).path))
    if url.startswith("file://") and path.is_file():
        return Pin(trainyard.__version__, f"mk/{path.name}"), path
    return Pin(trainyard.__version__, url), None


def _direct_url() -> tuple[str, str]:
    """The URL and the commit, each empty where it does not apply."""
    try:
        text = importlib.metadata.distribution("trainyard").read_text(RECORD)
    except importlib.metadata.PackageNotFoundError:
        return "", ""  # run from sources that were not installed
    record = json.loads(text) if text else {}
    return record.get("url", ""), record.get("vcs_info", {}).get("commit_id", "")
