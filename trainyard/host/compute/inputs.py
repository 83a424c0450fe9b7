"""The files that a task reads, found in what a container here would have mounted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from trainyard.contract.model_files import paths_below
from trainyard.errors import TrainyardError
from trainyard.host.compute.base import InputFile
from trainyard.host.engines.base import Mount
from trainyard.host.support.hashed_files import hashed
from trainyard.host.support.reporter import Reporter

_WRITTEN = ("models", "models of one project", "run", "runs")  # come back, and do not go


def inputs_of(mounts: Sequence[Mount], reporter: Reporter) -> list[InputFile]:
    """Every regular file of the mounts that are read.

    Raises:
        TrainyardError: one cannot be read, or has a name that cannot go there.
    """
    return [one for mount in mounts if mount.what not in _WRITTEN for one in _files(mount, reporter)]


def _files(mount: Mount, reporter: Reporter) -> Iterator[InputFile]:
    for path in paths_below(mount.folder) if mount.folder.is_dir() else ():
        if not path.is_file():  # a link to nothing, a socket
            continue
        place = (mount.target / path.relative_to(mount.folder)).as_posix()
        if place != place.strip() or re.search(r"[\x00-\x1f\x7f\\]", place):
            raise TrainyardError(f"{path}: a name that begins or ends with a space, or holds a backslash", "rename it")
        try:
            found = hashed(path, reporter)
        except OSError as error:
            raise TrainyardError(f"{path}: {error.strerror}", "check its permissions") from None
        yield InputFile(place, path, found.size, found.sha256)
