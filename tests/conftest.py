"""The modules beside this file are for every test below it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from trainyard.settings.own_process import refuse_telemetry

refuse_telemetry()
sys.path.insert(0, str(Path(__file__).parent))

from browsing import browser, visit  # noqa: E402, F401 -- fixtures

ENGINE_PARTS = [
    f"engines.{name}"
    for name in ("contract", "running", "confined", "baked", "layers", "bills", "pruned", "damaged", "killed")
]
for name in ("monorepo", "images", *ENGINE_PARTS):  # a failed assert in there shows its values
    pytest.register_assert_rewrite(name)

# Started in the background, the tests inherit a SIGINT that is ignored, and so would all that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the time a test waits for a server or an engine."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests are CI's, and whoever asks for them: CI=1 make test."""
    if os.environ.get("CI") or config.option.markexpr or any("::" in name for name in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
