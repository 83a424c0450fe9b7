"""The modules beside this file are for every test below it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from trainyard.settings import refuse_telemetry

refuse_telemetry()
sys.path.insert(0, str(Path(__file__).parent))

for name in ("monorepo", "images", "engines.contract", "engines.confined"):  # a failed assert in there shows its values
    pytest.register_assert_rewrite(name)

# Started in the background, the tests inherit a SIGINT that is ignored, and so would all that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the time a test waits for a server or an engine."""
    return 2 * (os.cpu_count() or 1)
