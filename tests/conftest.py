"""The modules beside this file are for every test below it."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from trainyard.settings.own_process import refuse_telemetry

refuse_telemetry()
sys.path.insert(0, str(Path(__file__).parent))

from browsing import browser, visit  # noqa: E402, F401 -- fixtures
from ci_output import pytest_configure  # noqa: E402, F401 -- a hook

for name in ("monorepo", "images", "walking", "engines"):  # a failed assert in there shows its values
    pytest.register_assert_rewrite(name)

# Started in the background, the tests inherit a SIGINT that is ignored, and so would all that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: a test waits for a server or an engine at times. With four no core is ever idle, and
    each test takes a quarter longer."""
    return max(2, 3 * (os.cpu_count() or 1) // 2)


# Files that need a cluster: a worker that has started one runs them all.
CLUSTERED = ("kubernetes", "kubernetes_volume", "kubernetes_store", "kubernetes_login", "real_parts")
ON_CLUSTER = tuple(f"computes/test_{name}.py" for name in CLUSTERED)


class ByFile(LoadFileScheduling):
    """Hands out files whole, and those of a cluster as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "on a cluster" if file.endswith(ON_CLUSTER) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile | None:
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


# Hypothesis has a profile of its own for CI, with five times as many examples.
hypothesis.settings.register_profile("quick", max_examples=20)
if not os.environ.get("CI"):
    hypothesis.settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _same_environment() -> Iterator[None]:
    """MLflow's client writes its tracker into the environment: the next test would use it."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


def runs_slow_tests(config: pytest.Config) -> bool:
    """Slow tests are CI's, and whoever asks for them: CI=1 make test, make test TESTS=tests/test_locks.py."""
    named = any(".py" in name for name in config.args)
    return bool(os.environ.get("CI") or config.option.markexpr or named)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of slow tests is not even imported: every worker would import MLflow, pandas and their like."""
    if collection_path.suffix != ".py" or runs_slow_tests(config):
        return None
    return bool(re.search(r"^pytestmark = .*pytest\.mark\.slow", collection_path.read_text(), re.MULTILINE)) or None


# Files that take two minutes or more in CI, the longest first: one that began late would run alone in the end. Of
# those that need images of docker one begins alone: the others would wait for the same images.
LONGEST = (
    "engines/test_docker.py", "experiments/test_champions.py", "e2e/test_docs.py", "computes/test_kubernetes.py",
    "e2e/test_new_model.py", "engines/test_process.py", "computes/test_shell_computes.py",
    "training_packages/test_whole_path.py", "engines/test_networks.py", "training_packages/test_package.py",
    "retrain/test_compose.py", "experiments/test_reproduce.py", "retrain/test_retrain_whole.py",
    "engines/test_pushing_images.py", "retrain/test_retrain_queue.py", "retrain/test_retrain_jobs.py",
    "retrain/test_other_repositories.py", "experiments/test_dvc.py", "retrain/test_retrain_troubles.py",
    "experiments/test_tracking.py", "experiments/test_base_model.py", "retrain/test_mlprojects.py",
    "training_packages/test_preparing.py", "engines/test_runtime.py", "e2e/test_own_monorepo.py",
    "engines/test_cache.py", "ci/test_ci_dvc.py", "retrain/test_mlproject_containers.py", "train/test_failures.py",
    "retrain/test_retrain_survives.py", "test_locks.py", "experiments/test_walk_of_runs.py",
    "data/test_training_on_stores.py", "ci/test_ci_promote.py", "retrain/test_retrain_api.py",
    "retrain/test_retrain_page.py", "experiments/test_shared_trackers.py", "retrain/test_retrain_computes.py",
    "e2e/test_adopting.py", "engines/test_podman.py", "training_packages/test_assets.py", "e2e/test_provenance.py",
)  # fmt: skip


def place_of(item: pytest.Item) -> int:
    name = item.path.relative_to(Path(__file__).parent).as_posix()
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def runs_nightly(item: pytest.Item, config: pytest.Config) -> bool:
    """NIGHTLY=1 CI=1 make test, and what is named by more than its file: TESTS=tests/test_locks.py::test_one."""
    return bool(os.environ.get("NIGHTLY") or "nightly" in config.option.markexpr) or any(
        "::" in name
        and Path(name.partition("::")[0]).name == item.path.name
        and item.nodeid.partition("::")[2].startswith(name.partition("::")[2])
        for name in config.args
    )


def mark_inherited(item: pytest.Item) -> None:
    """A class names in ``nightly`` the tests of a contract that it repeats: another class shows them in every run."""
    cls = getattr(item, "cls", None)
    names = getattr(cls, "nightly", frozenset())
    unknown = [name for name in names if not callable(getattr(cls, name, None))]
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: nightly names what the class does not run: {', '.join(unknown)}")
    if getattr(item, "originalname", item.name) in names:
        item.add_marker(pytest.mark.nightly)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=place_of)
    for item in items:
        mark_inherited(item)
    left = {
        item
        for item in items
        if (item.get_closest_marker("slow") and not runs_slow_tests(config))
        or (item.get_closest_marker("nightly") and not runs_nightly(item, config))
    }
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]
