"""What is installed in an image, as JSON. Its text is run there, by the image's own Python, in the application folder.

``argv[1]`` is 1 where the operating system's packages belong to the image.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

DPKG = Path("/var/lib/dpkg/status")
LOCK = Path("requirements.lock")


def python_packages() -> Iterator[dict[str, object]]:
    """Name, version, licence and requirements of each distribution."""
    for found in importlib.metadata.distributions():
        said = found.metadata
        classifiers = [line for line in said.get_all("Classifier") or [] if line.startswith("License :: ")]
        yield {
            "name": said["Name"],
            "version": said["Version"],
            "summary": said["Summary"] or "",
            "licence": said["License-Expression"] or "",
            "licences": [line.rpartition(" :: ")[2] for line in classifiers],
            "licence_text": said["License"] or "",
            "requires": found.requires or [],
        }


def system_packages() -> Iterator[dict[str, str]]:
    """Name, version and architecture of each package of Debian's that is installed."""
    text = DPKG.read_text(encoding="utf-8", errors="replace") if DPKG.is_file() else ""
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            yield {key.lower(): fields[key] for key in ("Package", "Version", "Architecture")}


def os_release() -> dict[str, str]:
    """ID and VERSION_ID of the distribution, where it says so."""
    path = Path("/etc/os-release")
    lines = path.read_text().splitlines() if path.is_file() else []
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


system = sys.argv[1:] == ["1"]
facts = {
    "python": platform.python_version(),
    "packages": list(python_packages()),
    "lock": LOCK.read_text() if LOCK.is_file() else "",
    "system": list(system_packages()) if system else [],
    "os": os_release() if system else {},
}
sys.stdout.write(json.dumps(facts) + "\n")
