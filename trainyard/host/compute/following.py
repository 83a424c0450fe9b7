"""What a task prints, taken apart: its output to whoever shows it, its metrics to the folder of its run."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainyard.contract import hosted, run_folder
from trainyard.host.engines.container_output import Output
from trainyard.host.experiments.run_files import RUN as RUN_FILE
from trainyard.host.support.shared_folder import SharedFolder


class TrialListener:
    """Is given what a worker of a tuning says: its reports go to ``output``, the files of its trials to the folders of
    their runs, below ``runs``."""

    def __init__(self, runs: Path, output: Output, on_error: Callable[[str], None]) -> None:
        self._runs, self._output, self._on_error = runs, output, on_error
        self._frames = hosted.Frames()

    def __call__(self, content: bytes, is_error: bool) -> None:
        if is_error:
            self._output(content, True)
            return
        printed, frames = self._frames.feed(content)
        for frame in frames:  # before the report that says that the trial is over
            try:
                self._keep(frame)
            except (OSError, ValueError) as error:  # a full disk, a name that leads elsewhere
                self._on_error(f"a file of a trial is not kept: {error}")
        if printed:
            self._output(printed, False)

    def _keep(self, frame: Mapping[str, Any]) -> None:
        run = str(frame.get(hosted.RUN))
        if not (self._runs / run / RUN_FILE).is_file() or "/" in run:
            return
        folder = SharedFolder.of_run(self._runs / run)
        if isinstance(lines := frame.get(hosted.METRICS), str):
            _add_metrics(folder, lines)
        for name, text in dict(frame.get(hosted.FILES) or {}).items():
            if "/" in name:
                folder.make_folder(name.rpartition("/")[0])
            folder.write(name, base64.b64decode(text, validate=True))


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
        if self._folder:
            with contextlib.suppress(OSError):  # a full disk: they come once more when the run is fetched
                _add_metrics(self._folder, lines)


def _add_metrics(run: SharedFolder, lines: str) -> None:
    with run.append(run_folder.METRICS) as file:
        file.write(lines.encode())
