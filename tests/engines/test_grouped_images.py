"""Two models that need different versions of scikit-learn, trained by theirs, behind one port: in images.

The process engine is asked the same in tests/e2e/test_groups_serving.py and test_grouped_builds.py.
"""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from engines.calls import call
from grouped import sklearn_repo, toolz_repo
from monorepo import Monorepo, ask
from needs import need

pytestmark = pytest.mark.slow
SAMPLE = b'{"payload": {"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}}'
IMPORTS = (
    "for venv in /opt/venv /opt/venv-2; do $venv/bin/python -c 'import sys, toolz.dicttoolz; print(sys.prefix)'; done"
)
WAYS = {
    "docker": ("docker", ("docker",), {"BUILDER": "builtin"}),
    "s2i": ("docker", ("docker", "s2i"), {"BUILDER": "s2i"}),
}


class Built(NamedTuple):
    """``variables``: by which make builds this way."""

    repo: Monorepo
    folder: Path
    variables: dict[str, str]


@pytest.fixture(scope="module", params=["docker", pytest.param("s2i", marks=pytest.mark.nightly)])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Trained, and built in groups."""
    engine, programs, variables = WAYS[request.param]
    for program in programs:
        need(program)
    repo = sklearn_repo(tmp_path_factory.mktemp("repo"), engine)
    folder = repo.path / "projects" / "flowers" / "all"
    for name in ("older", "newer"):
        repo.make(folder.with_name(name), "lock").succeeded()
    repo.make(folder, "train-all", **variables).succeeded()
    made = repo.make(folder, "build-image", "GROUPS=auto", **variables).succeeded()
    assert "Group 1: flowers/older; group 2: flowers/newer (scikit-learn 1.6.1)" in made.err
    assert "with s2i" in made.err or request.param != "s2i"
    yield Built(repo, folder, variables)
    repo.make(None, "clean")


def test_each_model_is_served_by_the_version_that_trained_it(built: Built) -> None:
    repo, folder, variables = built
    with repo.serving(folder, "predict-all", GROUPS="auto", STRICT="1", **variables) as port:
        repo.make(folder, "test-all", f"PORT={port}").succeeded()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for name, version in [("older", "1.3.2"), ("newer", "1.6.1")] * 5:
            connection.request("POST", f"/{name}/predict", SAMPLE)
            payload = json.loads(connection.getresponse().read())["payload"]
            assert payload == {"predictions": [0, 2], "sklearn": version}
        connection.close()
        status, text = ask(port, "readyz")
        assert status == 200, text
        assert [facts["ready"] for facts in json.loads(text)["routes"].values()] == [True, True]


def test_an_edit_installs_nothing(built: Built) -> None:
    repo, folder, variables = built
    with (folder.with_name("newer") / "predict.py").open("a") as file:
        file.write("# edited\n")
    made = repo.make(folder, "build-image", "GROUPS=auto", **variables).succeeded()
    assert made.err.count("installed already") == 2
    assert "Installing dependencies" not in made.err


def test_both_versions_are_in_the_bill_of_materials_and_no_credential_is_in_the_image(
    built: Built,
) -> None:
    repo, folder, variables = built
    if variables.get("BUILDER") == "s2i":
        pytest.skip("read from the image as with docker's own builder")
    repo.make(folder, "sbom", "GROUPS=auto", **variables).succeeded()
    bill = json.loads((repo.path / ".trainyard" / "sbom" / f"{repo.container('flowers-all')}.cdx.json").read_text())
    versions = {part["version"] for part in bill["components"] if part["name"] == "scikit-learn"}
    assert versions == {"1.3.2", "1.6.1"}
    repo.make(folder, "audit", "GROUPS=auto", API_TOKEN="none-of-this-anywhere").succeeded()


def test_the_second_environment_is_a_layer_on_the_first(built: Built) -> None:
    """So what the first group needs is not installed again when the second one's requirements change."""
    repo, folder, variables = built
    image = json.loads(call(repo.engine, "image", "inspect", repo.container("flowers-all")))[0]
    shown = call(
        repo.engine, "run", "--rm", "--entrypoint", "/bin/bash", repo.container("flowers-all"), "-c",
        "ls -d /opt/venv*/lib/python*/site-packages/scikit_learn-*; find /opt -newermt @315532801 | head -3",
    )  # fmt: skip
    assert shown.split("\n")[:2] == [
        "/opt/venv-2/lib/python3.11/site-packages/scikit_learn-1.6.1.dist-info",
        "/opt/venv/lib/python3.11/site-packages/scikit_learn-1.3.2.dist-info",
    ]
    assert shown.split("\n")[2:] == [""], "times that are not those of equal builds"
    for role in ("train", "predict"):
        (folder.with_name("newer") / f"requirements_{role}.txt").write_text("scikit-learn==1.6.0\n")
    made = repo.make(folder, "build-image", "GROUPS=auto", **variables).succeeded()
    # The second group's may be there, of an earlier run.
    assert "Installing dependencies (requirements.lock)" not in made.err
    after = json.loads(call(repo.engine, "image", "inspect", repo.container("flowers-all")))[0]
    shared = [layer for layer in after["RootFS"]["Layers"] if layer in image["RootFS"]["Layers"]]
    assert len(shared) >= 2


@pytest.mark.nightly
@pytest.mark.engine("docker")
def test_damage_in_the_environment_of_a_group_is_noticed_and_fixed(tmp_path: Path) -> None:
    need(engine := "docker")
    repo = toolz_repo(tmp_path / "repo", engine)
    folder, two = (repo.path / "projects" / "sums" / name for name in ("all", "two"))
    (two / "setup.sh").write_text(f"echo run >> /usr/local/lib/runs\ntrue {uuid.uuid4()}\nrm -rf /tmp/*\n")
    build = ("build-image", "GROUPS=auto", "BUILDER=builtin")
    repo.make(folder, *build).succeeded()
    image = repo.container("sums-all")
    label = '{{index .Config.Labels "io.openshift.s2i.build.image"}}'
    builder = call(engine, "image", "inspect", "--format", label, image).strip().removeprefix("docker.io/")
    run = ["run", "--name", f"{image}-damaging", "--user", "0", "--network", "none"]
    call(engine, *run, builder, "bash", "-c", "rm /opt/venv-2/lib/python3*/site-packages/toolz/dicttoolz.py")
    call(engine, "commit", f"{image}-damaging", builder)
    call(engine, "rm", f"{image}-damaging")
    with (two / "predict.py").open("a") as file:
        file.write("# edited\n")
    output = repo.make(folder, *build).succeeded().err
    assert f"warning: {builder}: /opt/venv-2: what is installed is damaged (lib/python" in output
    look = ["run", "--rm", "--network", "none", "--entrypoint", "bash", image, "-c"]
    assert call(engine, *look, IMPORTS).split() == ["/opt/venv", "/opt/venv-2"]
    stamps = [f"/opt/{venv}/.trainyard-{kind}" for venv in ("venv", "venv-2") for kind in ("daemon", "deps", "files")]
    shown = call(engine, *look, "cat /usr/local/lib/runs; ls -A /tmp; ls -d /opt/venv*/.trainyard-*").split()
    assert shown[0] == "run", "setup.sh is run once"
    assert sorted(shown[1:]) == sorted(stamps)
    with (two / "predict.py").open("a") as file:
        file.write("# edited again\n")
    assert repo.make(folder, *build).succeeded().err.count("installed already") == 2
    repo.make(None, "clean").succeeded()
