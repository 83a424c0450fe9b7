"""The files of a trial that runs on a compute: the folder of its run is on another machine, so they are sent there, in
frames (``contract/hosted.py``) between the reports of the worker.
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from trainyard.contract.hosted import FILES, METRICS, RUN, WholeLines, frame
from trainyard.contract.run_folder import METRICS as METRICS_FILE

LOOK = 0.2  # seconds between two looks at its metrics
_LARGEST = 64 << 20  # bytes of a file


class SentTrial:
    """The folder ``name`` below ``runs``, made here; ``write`` takes frames."""

    def __init__(self, runs: Path, name: str, write: Callable[[bytes], None]) -> None:
        self._name, self._folder, self._write = name, runs / name, write
        self._folder.mkdir(exist_ok=True)
        self._metrics = WholeLines(self._folder / METRICS_FILE)

    def look(self) -> None:
        """Send the metrics that have come."""
        if lines := self._metrics.new():
            self._write(frame(**{RUN: self._name, METRICS: lines}))

    def end(self) -> None:
        """Send all files, and remove them here."""
        for parent, _, names in os.walk(self._folder):
            for name in names:
                self._send(Path(parent, name))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, path: Path) -> None:
        name = path.relative_to(self._folder).as_posix()
        try:
            if path.is_symlink() or not path.is_file():
                return
            if path.stat().st_size > _LARGEST:
                print(
                    f"warning: {name} of the trial is larger than {_LARGEST >> 20} MiB, and is not kept",
                    file=sys.stderr,
                )
                return
            content = base64.b64encode(path.read_bytes()).decode()
        except OSError as error:
            print(f"warning: {name} of the trial is not kept: {error.strerror}", file=sys.stderr)
            return
        self._write(frame(**{RUN: self._name, FILES: {name: content}}))
