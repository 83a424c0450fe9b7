"""bin/s2i: settings are mounted into builds, everything else reaches the real s2i unchanged."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from contexts import write_context
from images import DAEMON, WRAPPERS, config, docker, environment, inside, run_real_s2i
from waiting import until

from trainyard.host.verbs.s2i_arguments import command_position


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("build -c . builder image", "build"),
        ("--loglevel 5 build .", "build"),
        ("--loglevel=5 --tls build .", "build"),
        ("-U build usage builder", "usage"),
        ("--help", None),
        ("", None),
    ],
)
def test_command_is_found_behind_global_options(arguments, command):
    words = arguments.split()

    position = command_position(words)

    assert (position if position is None else words[position]) == command


@pytest.mark.parametrize("arguments", [["version"], ["usage", DAEMON], ["--help"], ["nosuch"], ["build"]])
def test_output_and_exit_status_are_those_of_the_real_one(workshop, arguments):
    real = run_real_s2i(*arguments)

    done = workshop.s2i(*arguments)

    assert (done.status, done.output) == (real.status, real.output)


def test_settings_are_there_during_the_build_and_gone_afterwards(workshop, tmp_path):
    # What the build finds in the mounted folders is kept by a setup.sh.
    setup = "cp /run/trainyard/env /opt/env; df /var/cache/trainyard | tail -n 1 > /opt/cache\n"
    context = write_context(tmp_path / "context", {"setup.sh": setup})
    image, folders = workshop.name("wrapped"), tmp_path / "tmp"
    folders.mkdir()

    workshop.build(context, DAEMON, image, INDEX_URL="", NO_PROXY="intranet.example", TMPDIR=str(folders))

    assert "export NO_PROXY=intranet.example" in inside(image, "cat /opt/env")
    assert "/var/cache/trainyard" in inside(image, "cat /opt/cache")
    assert inside(image, "ls -A /run/trainyard") == ""
    assert "intranet.example" not in str(config(image)["Env"])
    assert list(folders.iterdir()) == []


def test_failed_build_fails(workshop, tmp_path):
    context = write_context(tmp_path / "context", {"setup.sh": "exit 3\n"})
    folders = tmp_path / "tmp"
    folders.mkdir()

    real = run_real_s2i("build", "--copy", str(context), DAEMON, workshop.name("failing"))
    done = workshop.s2i("build", "--copy", str(context), DAEMON, workshop.name("failing"), TMPDIR=str(folders))

    assert (done.status, real.status) == (2, 1)
    assert done.errors == real.errors == ["error: setup.sh: failed with status 3: see its output above"]
    assert list(folders.iterdir()) == []


def test_builder_of_other_sources_is_named_and_used_as_it_is(workshop, tmp_path):
    image, older = workshop.name("on-older"), workshop.name("older")  # removed in this order
    container = docker("create", DAEMON).strip()
    docker("commit", "--change", "LABEL test=older", container, older)
    docker("rm", container)

    done = workshop.build(write_context(tmp_path), older, image)

    warning = next(line for line in done.output.splitlines() if line.startswith("warning: "))
    assert warning.startswith(f"warning: {older} is not of the sources in ")
    assert warning.endswith(f": make builders there, docker tag {DAEMON} {older}")
    assert "---> Installing dependencies" in done.output


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_build_leaves_no_settings(workshop, tmp_path, number, status):
    context = write_context(tmp_path / "context", {"setup.sh": "echo started; sleep 60\n"})
    image, folders = workshop.name(f"interrupted-{status}"), tmp_path / "tmp"
    folders.mkdir()
    building = subprocess.Popen(
        [str(WRAPPERS / "s2i"), "build", "--copy", str(context), DAEMON, image],
        env=environment(TMPDIR=str(folders)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert building.stdout
    assert any("started" in line for line in building.stdout)
    assert list(folders.glob("trainyard-build-*"))

    # Ctrl-C reaches every process of a terminal, kill one.
    if number == signal.SIGINT:
        os.killpg(building.pid, number)
    else:
        building.send_signal(number)
    building.communicate(timeout=60)

    assert building.returncode == status
    assert list(folders.glob("trainyard-build-*")) == []  # s2i leaves a folder of its own
    until(lambda: containers() == [], 10, containers)


def containers() -> list[str]:
    """Those in which s2i assembles on our builder image."""
    return docker("ps", "--quiet", "--filter", f"ancestor={DAEMON}", "--filter", "name=s2i_").split()


def test_missing_real_one_is_one_line(workshop, tmp_path):
    (tmp_path / "s2i").symlink_to(WRAPPERS / "s2i")
    path = f"{tmp_path}{os.pathsep}{WRAPPERS}{os.pathsep}/usr/bin{os.pathsep}/bin"

    done = workshop.s2i("version", PATH=path)

    assert done.status == 2
    assert done.errors == [
        f"error: there is no s2i on PATH but {WRAPPERS / 's2i'}: install it: "
        "https://github.com/openshift/source-to-image/releases"
    ]
