"""Uploads a run while its training goes on, in a thread of its own: the training never waits for a tracker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from trainyard.errors import TrainyardError
from trainyard.host.experiments.metrics_log import Point
from trainyard.host.experiments.run_files import Run, read_run
from trainyard.host.experiments.tracking.mlflow_client import TrackingError
from trainyard.host.experiments.tracking.sync import Uploader
from trainyard.host.support.reporter import Reporter

PAUSE = 2.0  # seconds between two uploads
LONGEST_PAUSE = 30.0  # while the tracker fails
SHORT = 1.0  # seconds at the end that go without a message


class Live(AbstractContextManager["Live"]):
    """Uploads ``run`` while the block runs, and at its end what is left. ``connect`` is called in our thread.

    A tracker that fails is reported once. The run is then one that nobody tracked: ``make track-sync`` uploads it.
    """

    def __init__(self, run: Run, connect: Callable[[], Uploader], where: str, reporter: Reporter) -> None:
        self._run = run
        self._connect = connect
        self._where = where
        self._reporter = reporter
        self._points: list[Point] = []
        self._over = threading.Event()
        self._uploader: Uploader | None = None
        self._failure: TrainyardError | None = None
        self._warned = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def on_points(self, points: list[Point]) -> None:
        """The training has reported something."""
        self._points.extend(points)

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(SHORT)
        if self._thread.is_alive():
            with self._reporter.waiting(f"Uploading the run to {self._where} ..."):
                self._thread.join()

    def _work(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            well = self._try(lambda uploader: uploader.report(self._run, list(self._points)))
            pause = PAUSE if well else min(max(PAUSE, 2 * pause), LONGEST_PAUSE)
        if isinstance(self._failure, TrackingError) and self._failure.silent:
            return  # nobody shall wait for it once more
        self._try(self._finish)

    def _finish(self, uploader: Uploader) -> None:
        """The rest of the run, if it has ended."""
        run = read_run(self._run.folder, self._reporter)
        if run.status == "running":
            return
        uploader.upload(run)
        self._reporter.step(f"Tracked: {uploader.page(run)}")

    def _try(self, act: Callable[[Uploader], object]) -> bool:
        """Whether it went well."""
        try:
            self._uploader = self._uploader or self._connect()
            act(self._uploader)
            self._failure = None
        except TrainyardError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 -- whatever a library does, it must not end the training
            self._failure = TrackingError(f"{self._where}: {type(error).__name__}: {error}")
        if self._failure and not self._warned:
            self._warned = True
            self._reporter.warn(f"{self._failure}: the training does not need it, make track-sync uploads the run")
        return self._failure is None
