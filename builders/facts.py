"""What is installed in an image, as JSON. Its text is run there, by the image's own Python, in the application folder.

``argv[1]`` is 1 where the operating system's packages belong to the image. What follows are the environments of further
groups of models; by default those beside this one.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

DPKG = Path("/var/lib/dpkg/status")


def environments() -> Iterator[list[str]]:
    """Where the packages of each environment are."""
    yield sys.path
    beside = Path(sys.prefix).parent.glob(f"{Path(sys.prefix).name}-[0-9]*")
    for venv in map(Path, sys.argv[2:] or sorted(map(str, beside))):
        yield [str(path) for path in venv.glob("lib/python*/site-packages")]


def python_packages(path: list[str]) -> Iterator[dict[str, object]]:
    """Name, version, licence and requirements of each distribution on a path."""
    for found in importlib.metadata.distributions(path=path):
        fields = found.metadata
        classifiers = [line for line in fields.get_all("Classifier") or [] if line.startswith("License :: ")]
        yield {
            "name": fields["Name"],
            "version": fields["Version"],
            "summary": fields["Summary"] or "",
            "licence": fields["License-Expression"] or "",
            "licences": [line.rpartition(" :: ")[2] for line in classifiers],
            "licence_text": fields["License"] or "",
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


system = sys.argv[1:2] == ["1"]
facts = {
    "python": platform.python_version(),
    "environments": [list(python_packages(path)) for path in environments()],
    "lock": "".join(path.read_text() for path in sorted(Path().glob("requirements*.lock"))),
    "system": list(system_packages()) if system else [],
    "os": os_release() if system else {},
}
sys.stdout.write(json.dumps(facts) + "\n")
