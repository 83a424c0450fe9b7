import contextlib
import os
import socket
import time
from typing import ClassVar

import images
import pytest
from engines.bills import BillsOfMaterials
from engines.calls import inside
from engines.contract import BuildingContract, EngineContract
from engines.damaged import DamagedImages
from engines.killed import KilledBuilds
from engines.layers import BakedLayers
from engines.pruned import PrunedDependencies
from engines.reproducible import ReproducibleImages
from engines.running import SAMPLE
from monorepo import Model, Monorepo, ask, wait_for

from trainyard.host.engines.container.assembling import CACHE_VOLUME

COUNTING = r"""#!/bin/bash
set -e
mv /usr/local/bin/uv /opt/uv
printf '#!/bin/bash\necho "started: $1" >>/opt/started\nexec /opt/uv "$@"\n' >/usr/local/bin/uv
chmod +x /usr/local/bin/uv
"""


HEAD = b"POST /double/predict HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
UNFINISHED = (
    HEAD + b"Content-Length: %d\r\n\r\n" % (16 << 20) + b" " * ((16 << 20) - 1),
    CHUNKED + b"2\r\n  \r\n" * (2 << 20),
    CHUNKED + b"2\r\n{}\r\n0\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(2000)),
    HEAD + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(7)),
    b"GET /health HTTP/1.1\r\nHost:\r\n\r\n" * 9000,
)


class SetupScripts:
    """What engines with containers do with setup.sh."""

    variables: ClassVar[dict[str, str]]

    def test_setup_sh_is_run_as_root_before_the_requirements(self, repo: Monorepo) -> None:
        model = repo.add_model("native")
        (model.path / "setup.sh").write_text(
            '#!/bin/bash\nset -e\n[ $(id -u) = 0 ]\ncp "$(dirname "$0")/native.txt" /opt/native\nrm -rf /tmp/*\n'
        )
        (model.path / "native.txt").write_text("made\n")
        model.replace("train.py", "rows = ", "assert open('/opt/native').read() == 'made\\n'\n    rows = ")
        repo.make(model, "train", **self.variables).succeeded()

    def test_an_edit_starts_no_installer(self, repo: Monorepo) -> None:
        """uv is replaced by a program that counts how often it is started, in the image of the dependencies."""
        model = repo.add_model("counted")
        (model.path / "setup.sh").write_text(COUNTING)
        for edit in ("1 + factor * sum(row)", "2 + factor * sum(row)"):
            repo.make(model, "build-predict", **self.variables).succeeded()
            counted = inside(repo.engine, f"{model.container}-predict", "cat /opt/started /usr/local/bin/uv")
            assert counted.splitlines().count("started: pip") == 1, counted
            assert "exec /opt/uv" in counted, "uv is still replaced"
            model.replace("predict.py", "factor * sum(row)", edit)

    def test_nothing_that_setup_sh_leaves_behind_stays_in_the_image(self, repo: Monorepo) -> None:
        model = repo.add_model("messy")
        left = [
            "/var/lib/apt/lists/deb.example_Packages", "/var/cache/apt/archives/gcc.deb", "/var/cache/apt/pkgcache.bin",
            "/tmp/scratch/object.o", "/tmp/.hidden", "/var/tmp/unpacked", "/root/.cache/pip/http/a",
            "/root/.cache/uv/b", "/var/log/apt/history.log", "/var/log/dpkg.log",
        ]  # fmt: skip
        kept = ["/var/lib/native", "/opt/native", "/root/.config/native", "/var/cache/native"]
        lines = [f"mkdir -p $(dirname {path}) && echo left > {path}" for path in [*left, *kept]]
        (model.path / "setup.sh").write_text("\n".join(["set -e", *lines, "touch /var/cache/trainyard/native"]))
        repo.make(model, "build-train", **self.variables).succeeded()
        command = f"ls -d {' '.join([*left, *kept])} /var/cache/trainyard/* 2>/dev/null; find /tmp -mindepth 1"
        found = inside(repo.engine, f"{model.container}-train", f"{{ {command}; }} || true").split()
        # s2i has these folders in /tmp itself.
        assert sorted(path for path in found if not path.startswith(("/tmp/.s2i", "/tmp/scripts"))) == sorted(kept)
        volume = ("--volume", CACHE_VOLUME)
        cached = inside(repo.engine, f"{model.container}-train", "ls /var/cache/trainyard", *volume)
        assert {"uv", "native"} <= set(cached.split()), "what is mounted is not the image's"

    def test_a_failing_setup_sh_is_one_line(self, repo: Monorepo) -> None:
        model = repo.add_model("broken")
        (model.path / "setup.sh").write_text("#!/bin/bash\necho no such library >&2\nexit 7\n")
        made = repo.make(model, "build-predict", **self.variables)
        made.failed("setup.sh: failed with status 7")
        assert "no such library" in made.err


@pytest.mark.engine("docker")
class TestDocker(
    SetupScripts, KilledBuilds, DamagedImages, ReproducibleImages, BakedLayers, BillsOfMaterials, PrunedDependencies,
    EngineContract,
):  # fmt: skip
    engine = "docker"
    programs = ("docker",)
    variables: ClassVar[dict[str, str]] = {"BUILDER": "builtin"}

    @pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one worker")
    @pytest.mark.parametrize(("share", "memory"), [("1", "170m"), ("0", "300m")])
    def test_as_many_workers_as_cores_and_memory_allow(
        self, repo: Monorepo, model: Model, share: str, memory: str
    ) -> None:
        options = ["--cpus", "2", "--memory", memory, "--volume", f"{model.binary.parent}:/action/models:ro"]
        options += [f"--env={setting}" for setting in ("MODEL_NAME=double", "BALLAST=80", f"SHARE={share}")]
        container = images.docker("run", "--detach", *options, f"{model.container}-predict").strip()
        try:
            deadline = time.monotonic() + 30
            while "1 of 2 workers: they may take" not in (log := images.run(["docker", "logs", container]).output):
                assert time.monotonic() < deadline, log
                time.sleep(0.1)
            assert log.count("Booting worker") <= 1
        finally:
            images.docker("rm", "--force", container)

    def test_what_clients_leave_unfinished_does_not_end_a_small_container(self, repo: Monorepo, model: Model) -> None:
        options = ["--memory", "300m", "--memory-swap", "300m", "--cpus", "2", "--publish", "127.0.0.1::5000"]
        options += ["--env=MODEL_NAME=double", "--volume", f"{model.binary.parent}:/action/models:ro"]
        container = images.docker("run", "--detach", *options, f"{model.container}-predict").strip()
        try:
            port = int(images.docker("port", container, "5000").strip().rpartition(":")[2])
            wait_for(port)
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


@pytest.mark.s2i
class TestDockerWithS2i(SetupScripts, ReproducibleImages, BakedLayers, BuildingContract):
    """Images built by the real s2i. How they run, and how dependencies are installed, is the engine's."""

    engine = "docker"
    programs = ("docker", "s2i")
    variables: ClassVar[dict[str, str]] = {"BUILDER": "s2i"}
