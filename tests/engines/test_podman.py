import pytest
from engines.contract import EngineContract
from engines.test_docker import SetupScripts


@pytest.mark.engine("podman")
class TestPodman(SetupScripts, EngineContract):
    engine = "podman"
    programs = ("podman",)
