"""The options that confine a container, where they depend on the machine and on who owns what."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.engines.base import Mount, RunPlan
from trainyard.host.engines.container.confining import confinement
from trainyard.host.support.command import Commands
from trainyard.settings.host import HostSettings

COMMANDS = Commands(False)


@pytest.fixture
def plan(tmp_path: Path) -> RunPlan:
    return RunPlan("m-train", "m-train-1", "train", "p/m", mounts=(Mount("models", tmp_path),), hardened=True)


def options(plan: RunPlan, engine: str = "docker", **given: str) -> list[str]:
    return confinement(engine, plan, HostSettings(**given), COMMANDS)  # type: ignore[arg-type]


def test_a_training_has_no_rights_and_an_end_to_its_memory(plan: RunPlan) -> None:
    found = options(plan)
    assert found[:6] == ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "2048"]
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found[6] == "--memory"
    assert installed // 2 < int(found[7]) < installed
    assert "--read-only" not in found
    assert options(plan, train_memory="8g")[-2:] == ["--memory", "8g"]


def test_a_training_may_be_given_few_cores(plan: RunPlan) -> None:
    found = options(plan, train_cpus="1.5")
    assert found[found.index("--cpus") + 1] == "1.5"
    for text in ("many", "0", "-1", "1.", "٢"):
        with pytest.raises(TrainyardError, match=f"TRAIN_CPUS={text}: not a number of cores"):
            options(plan, train_cpus=text)


@pytest.mark.parametrize("text", ["much", "0", "-1g", "8 g", "8gb"])
def test_an_amount_of_memory_that_is_none(plan: RunPlan, text: str) -> None:
    with pytest.raises(TrainyardError, match=f"TRAIN_MEMORY={text}: not an amount of memory"):
        options(plan, train_memory=text)


def test_what_is_not_hardened_is_the_engines(plan: RunPlan) -> None:
    assert options(replace(plan, hardened=False)) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_root_can_write_to_what_is_somebody_elses(plan: RunPlan, tmp_path: Path) -> None:
    assert "--cap-add" not in options(plan)
    os.chown(tmp_path, 1000, 1000)
    found = options(plan)
    assert found[found.index("--cap-add") + 1] == "DAC_OVERRIDE"


def test_a_server_can_write_to_tmp_alone(plan: RunPlan) -> None:
    found = options(replace(plan, role="predict"))
    assert "--read-only" in found
    assert "--memory" not in found
