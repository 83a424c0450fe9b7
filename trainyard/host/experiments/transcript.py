"""What a training says: on the terminal as it comes, in the run's log, with a line of progress below it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from trainyard.host.experiments.metrics_log import Follower, Point
from trainyard.host.support import console
from trainyard.host.support.shared_folder import SharedFolder

LOOK_SECONDS = 0.5  # between two looks at the metrics
LINE_SECONDS = 10.0  # between two lines of progress, where there is no terminal
QUIET_SECONDS = 60.0  # likewise, of a training that reports no metrics
AT_ONCE_SECONDS = 2.0  # a training that takes no longer needs no clock
CLEAR = "\r\x1b[2K"
_LAST = 2000  # bytes of the output in which the reason of a failure is looked for


class Transcript(AbstractContextManager["Transcript"]):
    """Is the ``output`` of a container that trains, while the ``with`` block runs.

    ``on_points`` is given the metrics as they come, in a thread of ours. What is not ``shown`` is in the log only.
    """

    def __init__(
        self, log: Path, metrics: Path, on_points: Callable[[list[Point]], None] | None = None, *, shown: bool = True
    ) -> None:
        self._in_log_only = not shown
        self._log = SharedFolder.of_run(log.parent).append(log.name)
        self._log_path = log
        self._follower = Follower(metrics)
        self._on_points = on_points
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._terminal = sys.stderr.isatty()
        self._status = ""
        self._at_line_start = True
        self._last = b""
        self._started = time.monotonic()
        self._log_error = ""

    def __enter__(self) -> Transcript:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._show("")
        self._log.close()
        if self._log_error:
            console.warn(f"{self._log_path}: {self._log_error}: the rest of the log is not kept")

    def __call__(self, output: bytes, is_error: bool) -> None:
        """The container has written something."""
        with self._lock:
            self._last = (self._last + output)[-_LAST:]
            self._keep(output)
            if self._in_log_only:
                return
            if self._status and self._at_line_start:
                sys.stderr.write(CLEAR)
                sys.stderr.flush()
            stream = (sys.stderr if is_error else sys.stdout).buffer
            stream.write(output)
            stream.flush()
            self._at_line_start = output.endswith(b"\n")
            self._draw()

    @property
    def reason(self) -> str:
        """The line that says why the training failed, else the last that is not of its progress; may be empty."""
        lines = [line.strip() for line in self._last.decode(errors="replace").splitlines() if line.strip()]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return next(iter([*errors, *(line for line in reversed(lines) if not line.startswith("---> "))]), "")

    def _keep(self, output: bytes) -> None:
        try:
            self._log.write(output)
        except OSError as error:  # a full disk: the training decides for itself whether it can go on
            self._log_error = error.strerror or str(error)

    def _watch(self) -> None:
        shown, latest = self._started - LINE_SECONDS, dict[str, Point]()
        while True:
            self._over.wait(LOOK_SECONDS)
            points = self._follower.new()
            latest |= {point.name: point for point in points}
            if points and self._on_points:
                self._on_points(points)
            text = "" if self._in_log_only else progress(list(latest.values()), time.monotonic() - self._started)
            if self._terminal:
                self._show(text)
            elif text and time.monotonic() - shown >= (LINE_SECONDS if points else QUIET_SECONDS):
                console.step(text)
                shown = time.monotonic()
            if self._over.is_set():
                return

    def _show(self, text: str) -> None:
        with self._lock:
            if self._status and self._at_line_start:
                sys.stderr.write(CLEAR)
                sys.stderr.flush()
            self._status = text
            self._draw()

    def _draw(self) -> None:
        """The line stays below the output; it is not drawn in the middle of another."""
        if self._status and self._terminal and self._at_line_start:
            sys.stderr.write(self._status[:120])
            sys.stderr.flush()


def progress(latest: Sequence[Point], seconds: float) -> str:
    """One line: the step, the metrics as they are, how long it has taken."""
    minutes, rest = divmod(int(seconds), 60)
    if not latest:
        return f"running for {minutes}:{rest:02d}" if seconds >= AT_ONCE_SECONDS else ""
    values = "  ".join(f"{point.name} {point.value:.4g}" for point in latest)
    return f"step {max(point.step for point in latest)}  {values}  ({minutes}:{rest:02d})"
