"""With every engine: builds from a wheelhouse without a network, and no credential that a build leaves in an image."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, ask, free_port, nobody_elses
from needs import need

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"
CANARY = "canary%21of-the-build"
PROXY = f"http://me:{CANARY}@127.0.0.1:9"
WITH_CONTAINERS = ("docker", "podman")


def engine(name: str, *marks: pytest.MarkDecorator) -> object:
    """Those with containers take minutes for it: they are CI's."""
    return pytest.param(name, marks=[pytest.mark.engine(name), pytest.mark.slow, *marks])


@pytest.fixture(scope="module", params=["process", engine("docker")])
def repo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    if request.param in WITH_CONTAINERS:
        need(request.param)
    repo = Monorepo(tmp_path_factory.mktemp("repo"), request.param)
    yield repo
    for builder in builders(repo):  # the dependency images of these tests are no other's
        plain = builder.rsplit("-", 2)[0]
        subprocess.run([repo.engine, "rmi", "--force", builder, plain], capture_output=True, check=False)
    repo.make(None, "clean")


def by(*names: object) -> pytest.MarkDecorator:
    """In place of the parameters of ``repo``. podman differs in how it takes networks and proxies away."""
    return pytest.mark.parametrize("repo", names, indirect=True)


@pytest.fixture(scope="module")
def wheels(repo: Monorepo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse of a model that needs colorama, and of what every image needs."""
    folder = tmp_path_factory.mktemp("wheels") / "of a model"
    stocked(repo, "stocked")
    repo.make(None, "wheelhouse", f"WHEELHOUSE={folder}").succeeded()
    return folder


def stocked(repo: Monorepo, name: str) -> Model:
    """A model whose dependencies are nobody else's, so that they have to be installed."""
    model, line = repo.add_model(name), nobody_elses("colorama==0.4.6")
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text(f"{line}\n")
    model.replace("predict.py", "import os\n", "import os\n\nimport colorama\n")
    return model


def offline(wheels: Path, cache: Path) -> dict[str, str]:
    """Settings under which only a folder can answer; packages that were had before are not at hand."""
    return {
        "WHEELHOUSE": str(wheels), "INDEX_URL": f"{NOWHERE}/simple", "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE,
        "UV_CACHE_DIR": str(cache), "BUILDER": "builtin",
    }  # fmt: skip


def builders(repo: Monorepo) -> set[str]:
    """What the images of this monorepo were built on. By name: podman cannot list while others remove."""
    if repo.engine not in WITH_CONTAINERS:
        return set()
    names = [f"{repo.container(f'sums-{path.name}')}-predict" for path in repo.path.glob("projects/sums/*")]
    label = '{{index .Config.Labels "io.openshift.s2i.build.image"}}'
    return {output for name in names if (output := inspected(repo, name, label))}


def inspected(repo: Monorepo, image: str, what: str) -> str:
    """Empty where there is no such image."""
    argv = [repo.engine, "image", "inspect", "--format", what, image]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


@by("process", engine("docker"), engine("podman"))
def test_a_build_without_a_network(repo: Monorepo, wheels: Path, tmp_path: Path) -> None:
    model = stocked(repo, "offline")
    settings = offline(wheels, tmp_path)
    if repo.engine in WITH_CONTAINERS:
        installing = repo.make(model, "-n", "build-predict", **settings).succeeded().out
        runs = [line for line in installing.splitlines() if line.startswith(f"{repo.engine} run")]
        assert runs
        assert all("--network none" in line for line in runs)
    repo.make(model, "lock", **settings).succeeded()
    made = repo.make(model, "build-predict", **settings).succeeded()
    assert "Installing dependencies" in made.err
    repo.make(model, "train", **settings).succeeded()
    port = free_port()
    repo.make(model, "predict", "DETACH=1", f"PORT={port}").succeeded()
    try:
        status, body = ask(port, "offline/predict", b'{"payload": {"instances": [[1, 2]]}}')
    finally:
        repo.make(model, "stop").succeeded()
    assert (status, json.loads(body)["payload"]["predictions"]) == (200, [6])


@by("process")
def test_the_wheelhouse_is_no_part_of_the_identity(repo: Monorepo, wheels: Path, tmp_path: Path) -> None:
    """A build from the folder, with the lock that was made with the index, is the build without it."""
    model = repo.path / "projects" / "sums" / "stocked"
    repo.make(model, "lock").succeeded()
    repo.make(model, "build-predict", **offline(wheels, tmp_path)).succeeded()
    made = repo.make(model, "build-predict", "BUILDER=builtin").succeeded()
    assert "is up to date" in made.err


@by("process")
def test_a_wheelhouse_that_lacks_something(repo: Monorepo, wheels: Path, tmp_path: Path) -> None:
    model = stocked(repo, "greedy")
    line = nobody_elses("tabulate")
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text(f"{line}\n")
    repo.make(model, "lock", **offline(wheels, tmp_path)).failed(
        f"WHEELHOUSE={wheels} lacks tabulate", "make wheelhouse"
    )
    repo.make(model, "lock").succeeded()
    made = repo.make(model, "build-predict", **offline(wheels, tmp_path))
    made.failed("requirements.lock: WHEELHOUSE lacks what is locked", "make wheelhouse")
    assert "tabulate" in made.err


@by(engine("docker"))
@pytest.mark.parametrize("place", ["/root/.config/pip.conf", "/etc/apt/apt.conf", "/opt/tool/login", "/action/x"])
def test_a_setup_script_that_writes_a_credential(repo: Monorepo, wheels: Path, tmp_path: Path, place: str) -> None:
    model = stocked(repo, f"leaky{place.count('/')}{len(place)}")
    (model.path / "setup.sh").write_text(f"mkdir -p {Path(place).parent}\necho proxy=$http_proxy > {place}\n")
    settings = {**offline(wheels, tmp_path), "HTTP_PROXY": PROXY}
    repo.make(model, "lock", **settings).succeeded()
    made = repo.make(model, "build-predict", **settings)
    output = made.failed(f"{place}: a credential of this build", "layer: dependencies")
    assert CANARY not in output
    assert inspected(repo, f"{model.container}-predict", "{{.Id}}") == ""


@by(engine("docker"))
def test_one_that_is_cleaned_up_builds_and_passes_an_audit(repo: Monorepo, wheels: Path, tmp_path: Path) -> None:
    model = stocked(repo, "tidy")
    (model.path / "setup.sh").write_text("echo $http_proxy > /etc/proxy\nrm /etc/proxy\n")
    # docker's client puts these proxies into every container, podman those of the environment.
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": {"httpProxy": PROXY, "noProxy": "x"}}}))
    settings = {**offline(wheels, tmp_path), "HTTP_PROXY": PROXY, "DOCKER_CONFIG": str(tmp_path)}
    repo.make(model, "lock", **settings).succeeded()
    repo.make(model, "train", **settings).succeeded()
    for options in ((), ("BAKE=1",)):
        repo.make(model, "build-predict", *options, **settings).succeeded()
        made = repo.make(model, "audit", HTTP_PROXY=PROXY).succeeded()
        assert "the password in HTTP_PROXY" in made.err
    for image in (f"{model.container}-predict", *builders(repo)):
        assert "proxy=" not in inspected(repo, image, "{{.Config.Env}}").lower()


@by(engine("docker"), engine("podman", pytest.mark.nightly))
def test_a_setup_script_finds_the_settings(repo: Monorepo, wheels: Path, tmp_path: Path) -> None:
    """For apt, curl and pip, whatever they read."""
    model = stocked(repo, "asking")
    asked = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::http::Timeout", "Acquire::https::CAInfo")
    shown = " ".join(f"$(apt-config dump --no-empty --format '%v%n' {name})" for name in asked)
    (model.path / "setup.sh").write_text(
        f"echo apt: {shown}\necho curl: $https_proxy $no_proxy $CURL_CA_BUNDLE\n"
        "echo pip: $PIP_CERT $PIP_DEFAULT_TIMEOUT\n"
    )
    settings = {**offline(wheels, tmp_path), "NO_PROXY": "intranet.example", "INDEX_TIMEOUT": "7"}
    repo.make(model, "lock", **settings).succeeded()
    output = repo.make(model, "build-predict", **settings).succeeded().err
    assert f"apt: {NOWHERE} {NOWHERE} 7 /run/trainyard/ca.pem" in output
    assert f"curl: {NOWHERE} intranet.example /run/trainyard/ca.pem" in output
    assert "pip: /run/trainyard/ca.pem 7" in output


def test_an_audit_names_image_layer_and_path(repo: Monorepo, wheels: Path, tmp_path: Path) -> None:
    """What was built without knowing that it is a credential: in a file, and in the environment."""
    model = stocked(repo, "leaking")
    (model.path / "notes.txt").write_text(f"{CANARY}\n")
    with (model.path / ".s2i" / "environment").open("a") as file:
        file.write("GREETING=canary!of-the-build\n")
    settings = offline(wheels, tmp_path)
    repo.make(model, "lock", **settings).succeeded()
    repo.make(model, "build-predict", **settings).succeeded()
    made = repo.make(model, "audit", HTTP_PROXY=PROXY)
    made.failed("credentials in images")
    lines = made.out.splitlines()
    assert all(line.startswith(f"{model.container}-predict: ") for line in lines)
    assert all(line.endswith(": the password in HTTP_PROXY") for line in lines)
    assert any("leaking/notes.txt" in line for line in lines)
    if repo.engine in WITH_CONTAINERS:
        assert any(": environment: GREETING: " in line for line in lines)
        assert any(": layer " in line and ": /action/sums/leaking/notes.txt: " in line for line in lines)
    assert "canary" not in made.out + made.err
