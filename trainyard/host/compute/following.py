"""What a task prints, taken apart: its output to whoever shows it, its metrics to the folder of its run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from trainyard.contract import hosted, run_folder
from trainyard.host.engines.container_output import Output
from trainyard.host.support.shared_folder import SharedFolder


class Listener:
    """Is given what a task prints; without ``run`` its metrics go nowhere.

    ``on_state`` is told when it waits, trains, or waits to be fetched.
    """

    def __init__(self, run: Path | None, output: Output | None, on_state: Callable[[str], None]) -> None:
        self._folder = SharedFolder.of_run(run) if run else None
        self._frames = hosted.Frames()
        self._output = output
        self._on_state = on_state

    def __call__(self, content: bytes) -> None:
        printed, frames = self._frames.feed(content)
        if printed and self._output:
            self._output(printed, False)
        for frame in frames:
            if isinstance(lines := frame.get(hosted.METRICS), str):
                self._keep(lines)
            if isinstance(state := frame.get(hosted.STATE), str):
                self._on_state(state)

    def _keep(self, lines: str) -> None:
        if self._folder is None:
            return
        # A full disk: the metrics come once more when the run is fetched.
        with contextlib.suppress(OSError), self._folder.append(run_folder.METRICS) as file:
            file.write(lines.encode())
