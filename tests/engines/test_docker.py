import contextlib
import functools
import os
import socket
from pathlib import Path
from typing import ClassVar

import images
import pytest
from engines.contract.baked_layers import BakedLayers
from engines.contract.bills_of_materials import BillsOfMaterials
from engines.contract.building import EngineContract
from engines.contract.damaged_images import DamagedImages
from engines.contract.killed_builds import KilledBuilds
from engines.contract.pruning import PrunedDependencies
from engines.contract.reproducible_images import ReproducibleImages
from engines.contract.running import SAMPLE
from engines.contract.setup_scripts import SetupScripts
from image_archive import write_image
from monorepo import Model, Monorepo, ask, is_healthy
from waiting import until

HEAD = b"POST /double/predict HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
UNFINISHED = (
    HEAD + b"Content-Length: %d\r\n\r\n" % (16 << 20) + b" " * ((16 << 20) - 1),
    CHUNKED + b"2\r\n  \r\n" * (2 << 20),
    CHUNKED + b"2\r\n{}\r\n0\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(2000)),
    HEAD + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(7)),
    b"GET /health HTTP/1.1\r\nHost:\r\n\r\n" * 9000,
)


@pytest.mark.engine("docker")
class TestDocker(
    SetupScripts, KilledBuilds, DamagedImages, ReproducibleImages, BakedLayers, BillsOfMaterials, PrunedDependencies,
    EngineContract,
):  # fmt: skip
    engine = "docker"
    programs = ("docker",)
    variables: ClassVar[dict[str, str]] = {"BUILDER": "builtin"}

    # As the process engine shows it in every run; what docker has to do for it, other tests of this class need, too.
    nightly: ClassVar[set[str]] = {
        "test_a_bill_of_materials_says_what_is_in_the_image",
        "test_a_dry_run_shows_and_does_nothing",
        "test_a_new_binary_is_baked_by_a_new_build",
        "test_many_models_in_one_image",
        "test_settings_of_the_server_are_handed_on",
        "test_of_two_builds_that_need_the_same_packages_one_installs_them",
        "test_two_clones_leave_each_other_alone",
    }
    # The host's, before and after an engine is asked: the process engine shows it.
    test_payload_is_merged_over_the_default_one = None
    test_every_project_in_one_image = None
    test_every_member_is_baked_into_the_merged_image = None
    test_a_second_server_does_not_replace_the_first = None
    test_two_projects_at_once = None
    test_a_server_that_serves_nothing_is_stopped = None
    test_a_server_below_a_path = None

    def test_somebody_elses_image_without_a_date_is_in_nobodys_way(self, repo: Monorepo, tmp_path: Path) -> None:
        """It was loaded without a name: docker knows neither when it was made nor when it was named."""
        write_image(tmp_path / "undated.tar", "", {"bin/x": Path(__file__)}, "x")
        undated = images.docker("load", "--quiet", "--input", str(tmp_path / "undated.tar")).strip().rpartition(" ")[2]
        try:
            repo.make(None, "-n", "prune").succeeded()
        finally:
            images.docker("rmi", undated)

    @pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one worker")
    @pytest.mark.parametrize(("share", "memory"), [("1", "170m"), ("0", "300m")])
    def test_as_many_workers_as_cores_and_memory_allow(
        self, repo: Monorepo, model: Model, share: str, memory: str
    ) -> None:
        options = ["--cpus", "2", "--memory", memory, "--volume", f"{model.binary.parent}:/action/models:ro"]
        options += [f"--env={setting}" for setting in ("MODEL_NAME=double", "BALLAST=80", f"SHARE={share}")]
        container = images.docker("run", "--detach", *options, f"{model.container}-predict").strip()
        try:
            logs = functools.partial(images.run, ["docker", "logs", container])
            until(lambda: "1 of 2 workers: they may take" in logs().output, 30, logs)
            assert logs().output.count("Booting worker") <= 1
        finally:
            images.docker("rm", "--force", container)

    @pytest.mark.nightly
    def test_what_clients_leave_unfinished_does_not_end_a_small_container(self, repo: Monorepo, model: Model) -> None:
        options = ["--memory", "300m", "--memory-swap", "300m", "--cpus", "2", "--publish", "127.0.0.1::5000"]
        options += ["--env=MODEL_NAME=double", "--volume", f"{model.binary.parent}:/action/models:ro"]
        container = images.docker("run", "--detach", *options, f"{model.container}-predict").strip()
        try:
            port = int(images.docker("port", container, "5000").strip().rpartition(":")[2])
            until(lambda: is_healthy(port))
            with contextlib.ExitStack() as stack:
                for unfinished in UNFINISHED:
                    for _ in range(20):
                        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
                        client.settimeout(5)
                        with contextlib.suppress(OSError):  # refused, or no further read
                            client.sendall(unfinished)
                    assert ask(port, "double/predict", SAMPLE)[0] == 200
            log = images.run(["docker", "logs", container]).output
            assert log.count("Booting worker") <= 2, log
        finally:
            images.docker("rm", "--force", container)
