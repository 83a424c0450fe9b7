"""A job's process, as the service starts one: it runs a project until SIGTERM ends it.

``python service_process.py <folder of the project> <name> <tracker> <state>``
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from retrain.projects import job_of, limits
from trainyard.host.experiments.tracking.tracker import Tracker
from trainyard.host.retrain.mlprojects.running import run_project
from trainyard.host.support.reporter import Kind, Silent


class Printing(Silent):
    def note(self, kind: Kind, text: str) -> None:
        print(f"{kind}: {text}", flush=True)


def stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


signal.signal(signal.SIGTERM, stop)
folder, name, url, state = sys.argv[1:]
run_project(
    job_of(Path(folder), name), Tracker(url, url), limits(), Path(state), Printing(),
    on_run=lambda run: print(f"run: {run}", flush=True),
)  # fmt: skip
