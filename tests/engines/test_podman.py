import pytest
from engines.contract import EngineContract
from engines.damaged import DamagedImages
from engines.killed import KilledBuilds
from engines.layers import BakedLayers
from engines.pruned import PrunedDependencies
from engines.reproducible import ReproducibleImages
from engines.test_docker import SetupScripts


@pytest.mark.engine("podman")
class TestPodman(
    SetupScripts, KilledBuilds, DamagedImages, ReproducibleImages, BakedLayers, PrunedDependencies, EngineContract
):  # fmt: skip
    engine = "podman"
    programs = ("podman",)
