"""A damaged package cache, as it is mounted into builds: of its own volume, since others share the usual one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contexts import write_context
from images import DAEMON, docker, inside, run_real_s2i

from trainyard.host.network.build_settings import FOLDER, settings_folder
from trainyard.settings.host import HostSettings

CACHE = "/var/cache/trainyard"


@pytest.fixture
def volume(workshop) -> Iterator[str]:
    name = f"{workshop.prefix}-cache"
    docker("volume", "create", name)
    yield name
    docker("volume", "rm", "--force", name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "file", ["colorama/ansi.py", pytest.param("colorama-0.4.6.dist-info/METADATA", marks=pytest.mark.nightly)]
)
def test_nothing_of_it_is_installed(workshop, tmp_path, volume, file):
    context = write_context(tmp_path, {"requirements.txt": "colorama==0.4.6\n"})
    images = [workshop.name("filling"), workshop.name("taking")]

    with settings_folder(HostSettings.read()) as folder:
        volumes = ["--volume", f"{folder}:{FOLDER}:ro", "--volume", f"{volume}:{CACHE}"]
        printed = []
        for image in images:
            done = run_real_s2i("build", "--copy", *volumes, str(context), DAEMON, image)
            assert done.status == 0, done.output
            printed.append(done.output)
            cut = f"truncate -s 20 {CACHE}/uv/archive-v0/*/{file}"
            docker("run", "--rm", "--user", "0", "--volume", f"{volume}:{CACHE}", DAEMON, "bash", "-c", cut)

    assert "damaged" not in printed[0]
    assert "warning: the package cache has damaged files of colorama: fetched again" in printed[1]
    assert inside(images[1], "python -c 'import colorama; print(len(colorama.Fore.RED))'") == "5\n"
    assert inside(images[1], f"ls {CACHE}") == ""
