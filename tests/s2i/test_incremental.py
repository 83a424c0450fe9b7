"""``s2i build --incremental``: what was installed for the previous image is not installed again."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile

import pytest
from contexts import write_context
from images import DAEMON, config, docker, inside, predictions, run_real_s2i, serving

# An option of which bin/s2i does not know what it does to an installation: it makes no dependency image then.
UNSHARED = ("--env", "SOME=value")


@pytest.fixture(scope="module")
def first(workshop, tmp_path_factory):
    """``(context, image)`` of a first build with requirements of its own."""
    context = write_context(tmp_path_factory.mktemp("first") / "context", {"requirements.txt": "colorama==0.4.5\n"})
    image = workshop.name("incremental-first")
    workshop.build(context, DAEMON, image, *UNSHARED)
    return context, image


@pytest.fixture
def previous(workshop, first, tmp_path, request):
    """The same for one test, which may change both."""
    context, image = tmp_path / "context", workshop.name(request.node.name)
    shutil.copytree(first[0], context)
    docker("tag", first[1], image)
    return context, image


def test_second_build_downloads_nothing(workshop, previous):
    context, image = previous
    (context / "shop/sum/offset.txt").write_text("100\n")

    # The real s2i, without the package cache that bin/s2i would mount.
    done = run_real_s2i("build", "--copy", "--incremental", "--network", "none", str(context), DAEMON, image)

    assert done.status == 0, done.output
    assert "---> Dependencies are installed already" in done.output
    assert inside(image, "ls -d /tmp/artifacts/* 2>/dev/null || :") == ""
    with serving(image) as port:
        assert predictions(port, "sum/predict", [[1, 2]]) == [103]


@pytest.mark.nightly
def test_build_that_is_not_incremental_would_download(workshop, previous):
    context, image = previous

    done = run_real_s2i("build", "--copy", "--network", "none", str(context), DAEMON, image)

    assert done.errors == ["error: the package index cannot be reached: check the network, INDEX_URL and HTTPS_PROXY"]


def test_saved_artifacts_hold_what_was_installed(previous):
    _, image = previous

    names = saved_artifacts(image)
    assert any(name.startswith("./lib/") and name.endswith("/colorama/__init__.py") for name in names)


def test_changed_requirement_keeps_the_rest(workshop, previous):
    context, image = previous
    # Anything may satisfy colorama now: what is there is kept, where a new environment would take the latest.
    (context / "requirements.txt").write_text("colorama\nsix==1.16.0\n")

    workshop.build(context, DAEMON, image, *UNSHARED, "--incremental")

    versions = inside(image, "python -c 'import colorama, six; print(colorama.__version__, six.__version__)'")
    assert versions.split() == ["0.4.5", "1.16.0"]


def test_setup_script_runs_again(workshop, previous):
    """What it installs lies outside of the virtual environment, and so in no artifact."""
    context, image = previous
    (context / "setup.sh").write_text("echo native > /usr/local/lib/native\n")
    workshop.build(context, DAEMON, image, *UNSHARED, "--incremental")

    workshop.build(context, DAEMON, image, "--incremental", "--network", "none")

    assert inside(image, "cat /usr/local/lib/native").strip() == "native"


def test_bin_s2i_shares_what_is_installed_and_saves_nothing(workshop, tmp_path):
    requirements = {"requirements.txt": "colorama==0.4.5\n"}
    contexts = [write_context(tmp_path / name, {**requirements, "shop/sum/offset.txt": "7\n"}) for name in ("a", "b")]
    images = [workshop.name(f"shared-{context.name}") for context in contexts]
    workshop.build(contexts[0], DAEMON, images[0])

    other = workshop.build(contexts[1], DAEMON, images[1])
    again = workshop.build(contexts[1], DAEMON, images[1], "--incremental", INDEX_URL="http://127.0.0.1:9/")

    assert "---> Dependencies are installed already" in other.output
    assert "---> Dependencies are installed already" in again.output
    below = {config(image)["Labels"]["io.openshift.s2i.build.image"] for image in images}
    assert len(below) == 1
    assert "trainyard/deps:" in below.pop()
    assert saved_artifacts(images[1]) == []
    assert inside(images[0], "python -c 'import colorama; print(colorama.__version__)'").strip() == "0.4.5"


def test_image_on_a_dependency_image_saves_nothing_and_builds_all_the_same(workshop, on_dependencies):
    context, builder = on_dependencies
    image = workshop.name("incremental-on-dependencies")
    run_real_s2i("build", "--copy", "--network", "none", str(context), builder, image)

    done = run_real_s2i("build", "--copy", "--incremental", "--network", "none", str(context), builder, image)

    assert done.status == 0, done.output
    assert "---> Dependencies are installed already" in done.output
    assert saved_artifacts(image) == []


def saved_artifacts(image: str) -> list[str]:
    """The names in the archive that save-artifacts streams out of an image, which is one file in another archive."""
    command = ["docker", "run", "--rm", "--network", "none", image, "/usr/libexec/s2i/save-artifacts"]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as outer:
        for name in outer.getnames():
            with tarfile.open(fileobj=outer.extractfile(name)) as archive:
                return archive.getnames()
    return []
