"""The modules beside this file are for every test below it."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from trainyard.settings.own_process import refuse_telemetry

refuse_telemetry()
sys.path.insert(0, str(Path(__file__).parent))

from browsing import browser, visit  # noqa: E402, F401 -- fixtures

for name in ("monorepo", "images", "walking", "engines"):  # a failed assert in there shows its values
    pytest.register_assert_rewrite(name)

# Started in the background, the tests inherit a SIGINT that is ignored, and so would all that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the time a test waits for a server or an engine."""
    return 2 * (os.cpu_count() or 1)


# Hypothesis has a profile of its own for CI, with five times as many examples.
hypothesis.settings.register_profile("quick", max_examples=20)
if not os.environ.get("CI"):
    hypothesis.settings.load_profile("quick")


def runs_slow_tests(config: pytest.Config) -> bool:
    """Slow tests are CI's, and whoever asks for them: CI=1 make test, make test TESTS=tests/test_locks.py."""
    named = any(".py" in name for name in config.args)
    return bool(os.environ.get("CI") or config.option.markexpr or named)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of slow tests is not even imported: every worker would import MLflow, pandas and their like."""
    if collection_path.suffix != ".py" or runs_slow_tests(config):
        return None
    return bool(re.search(r"^pytestmark = .*pytest\.mark\.slow", collection_path.read_text(), re.MULTILINE)) or None


# Files that take minutes, the longest first: one that began late would run alone in the end.
LONGEST = (
    "engines/test_docker.py", "engines/test_podman.py", "engines/test_docker_s2i.py", "engines/test_process.py",
    "engines/test_grouped_images.py", "experiments/test_runs.py", "models/test_projects.py", "e2e/test_docs.py",
    "engines/test_networks.py", "engines/test_runtime.py", "e2e/test_benchmarks.py", "test_foreign_locks.py",
    "test_locks.py", "historical/test_historical_imports.py", "experiments/test_walk_of_runs.py", "e2e/test_walk.py",
)  # fmt: skip


def place_of(item: pytest.Item) -> int:
    name = item.path.relative_to(Path(__file__).parent).as_posix()
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=place_of)
    slow = [] if runs_slow_tests(config) else [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
