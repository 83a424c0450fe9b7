"""``s2i build --as-dockerfile``: assembles as uid 1001, and nothing can be mounted while it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from contexts import write_context
from images import DAEMON, RESTRICTED, Done, config, docker, inside, predictions, run, run_real_s2i, serving


@pytest.fixture(scope="module")
def built(workshop, on_dependencies, tmp_path_factory):
    """The image that docker built from the generated Dockerfile, without a network."""
    context, builder = on_dependencies
    folder = tmp_path_factory.mktemp("dockerfile")
    image = workshop.name("dockerfile")
    done = workshop.s2i("build", "--copy", "--as-dockerfile", str(folder / "Dockerfile"), str(context), builder, image)
    assert done.status == 0, done.output
    done = docker_build(folder, image)
    assert done.status == 0, done.output
    return image


def docker_build(folder: Path, image: str) -> Done:
    # The generated Dockerfile needs no BuildKit, and the client may default to one that is not installed.
    return run(
        ["docker", "build", "--force-rm", "--network", "none", "--tag", image, str(folder)],
        env={"DOCKER_BUILDKIT": "0"},
    )


def test_user_environment_and_files(built):
    assert config(built)["User"] == "1001"
    assert "ROUTES=sum/predict:shop.sum.predict:predict" in config(built)["Env"]
    assert inside(built, "find /action ! -group 0; ls -d /tmp/src 2>/dev/null || :") == ""


@pytest.mark.parametrize("options", [(), RESTRICTED], ids=["its own user", "an arbitrary user"])
def test_answers(built, options):
    with serving(built, *options) as port:
        assert predictions(port, "sum/predict", [[1, 2], [3, 4]]) == [3.5, 7.5]


def test_stops_at_once(built):
    """The generated command is a shell's, which must not keep the signal to itself."""
    with serving(built):
        container = docker("ps", "--quiet", "--filter", f"ancestor={built}").split()[0]
        docker("stop", "--time", "20", container)
        status = docker("container", "inspect", "--format", "{{.State.ExitCode}}", container)
    assert status.strip() != "137"


def test_setup_script_that_needs_root_says_so(workshop, tmp_path):
    context = write_context(tmp_path / "context", {"setup.sh": "touch /usr/local/lib/native\n"})
    image = workshop.name("dockerfile-setup")
    run_real_s2i("build", "--copy", "--as-dockerfile", str(tmp_path / "out/Dockerfile"), str(context), DAEMON, image)

    done = docker_build(tmp_path / "out", image)

    assert done.status != 0
    assert "error: setup.sh: failed with status 1 as uid 1001: assemble as root (--assemble-user 0)" in done.output
