"""The builder images as s2i sees them, and their own tests."""

from __future__ import annotations

import pytest
from images import DAEMON, ROOT, TRAIN, Workshop, config, inside, run


@pytest.mark.parametrize(("builder", "text"), [(DAEMON, "builds predict images"), (TRAIN, "builds train images")])
def test_usage_tells_how_to_build_and_run(workshop: Workshop, builder, text):
    done = workshop.s2i("usage", builder)

    assert done.status == 0
    for part in (text, f"s2i build <context> {builder} <image>", "docker run"):
        assert part in done.output


@pytest.mark.parametrize("builder", [DAEMON, TRAIN])
def test_labels_and_scripts_are_where_s2i_looks_for_them(workshop: Workshop, builder):
    labels = config(builder)["Labels"]

    assert labels["io.openshift.s2i.scripts-url"] == "image:///usr/libexec/s2i"
    assert labels["io.openshift.s2i.assemble-user"] == "root"
    scripts = inside(builder, "cd /usr/libexec/s2i && for s in *; do test -x $s && echo $s; done")
    assert scripts.split() == ["assemble", "run", "save-artifacts", "usage"]


@pytest.mark.parametrize("builder", [DAEMON, TRAIN])
def test_own_test_passes_and_leaves_nothing(workshop: Workshop, builder):
    script = ROOT / "builders" / builder.rpartition("/")[2] / "test" / "run"

    done = run([str(script)], env={"IMAGE_NAME": builder})

    assert done.status == 0, done.output
    assert f"---> {builder} passed" in done.output


def test_own_test_fails_for_another_image(workshop: Workshop):
    done = run([str(ROOT / "builders" / "daemon" / "test" / "run")], env={"IMAGE_NAME": TRAIN})

    assert done.status == 1
    assert done.errors == [f"error: s2i usage {TRAIN} does not say: builds predict images"]
