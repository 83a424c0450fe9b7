"""What a training says: on the terminal as it comes, in the run's log, with a line of progress below it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from trainyard.host.experiments.metrics_log import Follower, Point
from trainyard.host.support.reporter import Reporter
from trainyard.host.support.shared_folder import SharedFolder

LOOK_SECONDS = 0.5  # between two looks at the metrics
LINE_SECONDS = 10.0  # between two lines of progress, where none can change in place
QUIET_SECONDS = 60.0  # likewise, of a training that reports no metrics
AT_ONCE_SECONDS = 2.0  # a training that takes no longer needs no clock
_LAST = 2000  # bytes of the output in which the reason of a failure is looked for


class Transcript(AbstractContextManager["Transcript"]):
    """Is the ``output`` of a container that trains, while the ``with`` block runs.

    ``on_points`` is given the metrics as they come, in a thread of ours. What is not ``shown`` is in the log only.
    """

    def __init__(
        self,
        log: Path,
        metrics: Path,
        reporter: Reporter,
        on_points: Callable[[list[Point]], None] | None = None,
        *,
        shown: bool = True,
    ) -> None:
        self._in_log_only = not shown
        self._log = SharedFolder.of_run(log.parent).append(log.name)
        self._log_path = log
        self._follower = Follower(metrics, reporter)
        self._reporter = reporter
        self._on_points = on_points
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._last = b""
        self._started = time.monotonic()
        self._log_error = ""

    def __enter__(self) -> Transcript:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if not self._in_log_only:
            self._reporter.status("")
        with self._lock:
            self._log.close()
        if self._log_error:
            self._reporter.warn(f"{self._log_path}: {self._log_error}: the rest of the log is not kept")

    def __call__(self, output: bytes, is_error: bool) -> None:
        """The container has written something."""
        with self._lock:
            if self._log.closed:  # by something that a training which was killed has left behind
                return
            self._last = (self._last + output)[-_LAST:]
            self._keep(output)
            if not self._in_log_only:
                self._reporter.output(output, is_error)

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
            if not self._in_log_only:
                text = progress(list(latest.values()), time.monotonic() - self._started)
                due = time.monotonic() - shown >= (LINE_SECONDS if points else QUIET_SECONDS)
                if not self._reporter.status(text) and text and due:
                    self._reporter.step(text)
                    shown = time.monotonic()
            if self._over.is_set():
                return


def progress(latest: Sequence[Point], seconds: float) -> str:
    """One line: the step, the metrics as they are, how long it has taken."""
    minutes, rest = divmod(int(seconds), 60)
    if not latest:
        return f"running for {minutes}:{rest:02d}" if seconds >= AT_ONCE_SECONDS else ""
    values = "  ".join(f"{point.name} {point.value:.4g}" for point in latest)
    return f"step {max(point.step for point in latest)}  {values}  ({minutes}:{rest:02d})"
