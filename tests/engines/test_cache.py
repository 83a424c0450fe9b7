"""Dependency images from a registry (CACHE_REGISTRY): a real one, and some that are none."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import tarfile
import urllib.request
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from engines.calls import call, listed
from image_registry import image_registry
from monorepo import Made, Model, Monorepo
from needs import need
from servers import Quiet, answering

from trainyard.host.engines.container.cache import NAME, RegistryCache
from trainyard.host.support.command import Commands
from trainyard.settings.host import HostSettings

pytestmark = pytest.mark.slow
DOCKER = pytest.param("docker", marks=pytest.mark.engine("docker"))


class Machine:
    """A monorepo on an engine, whose base image is its own: others' are not touched by removing it."""

    def __init__(self, path: Path, engine: str) -> None:
        self.engine = engine
        self.repo = Monorepo(path, engine)
        self.alias = f"{self.repo.prefix}-base:{uuid.uuid4().hex[:8]}"
        self.names: list[str] = []  # base and dependency images that were built or pulled here
        self.repo.make(None, "builders").succeeded()
        source = call(
            self.engine, "image", "inspect", "--format", '{{index .Config.Labels "trainyard.base"}}', "trainyard/base"
        )
        call(self.engine, "tag", source.strip(), self.alias)

    def add_model(self, name: str) -> Model:
        """A model with dependencies of its own."""
        model = self.repo.add_model(name)
        (model.path / "setup.sh").write_text(f"true {uuid.uuid4()}\n")
        return model

    def build(self, model: Model, registry: str, **env: str) -> Made:
        made = self.repo.make(
            model, "build-predict", BUILDER="", BASE_IMAGE=self.alias, CACHE_REGISTRY=registry, **env
        )  # fmt: skip
        self.names += re.findall(r"(?:Building|Pulled) (trainyard/(?:base|deps):[0-9a-f]+)(?= )", made.err)
        return made

    def forget(self, model: Model) -> None:
        """Be a machine that has built nothing yet."""
        self.repo.make(model, "clean").succeeded()
        known = listed(self.engine, "--format", "{{.Repository}}:{{.Tag}}")
        ours = [name for name in known if any(name == own or name.startswith(f"{own}-") for own in self.names)]
        for name in dict.fromkeys(ours):
            call(self.engine, "rmi", "--force", name)


@pytest.fixture(scope="module", params=[DOCKER])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    need(request.param)
    machine = Machine(tmp_path_factory.mktemp("machine"), request.param)
    yield machine
    machine.repo.make(None, "clean")
    machine.forget(machine.repo.add_model("last"))
    call(machine.engine, "rmi", machine.alias)
    machine.repo.make(None, "builders").succeeded()  # the names that people use are those of the usual base again


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on this machine: where it is."""
    with image_registry(tmp_path_factory.mktemp("registry")) as name:
        yield f"{name}/ci"


def test_what_one_machine_built_another_pulls(machine: Machine, registry: str) -> None:
    model = machine.add_model("shared")
    made = machine.build(model, registry).succeeded()
    assert "Installing dependencies" in made.err
    assert "CACHE_REGISTRY" not in made.err
    machine.forget(model)
    made = machine.build(model, registry).succeeded()
    assert "Installing dependencies" not in made.err
    assert len(re.findall("^---> Pulled trainyard/(?:base|deps):", made.err, re.MULTILINE)) == 2
    assert not [name for name in listed(machine.engine, "--format", "{{.Repository}}") if registry in name]
    with urllib.request.urlopen(f"http://{registry.partition('/')[0]}/v2/_catalog", timeout=10) as response:
        assert sorted(re.findall(r'"(ci/[^"]*)"', response.read().decode())) == ["ci/base", "ci/deps"]


@pytest.mark.engine("podman")
def test_podman_pushes_and_pulls(registry: str, tmp_path: Path) -> None:
    """By options of its own; what is pushed, and when, is the same as with docker."""
    need("podman")
    name = f"trainyard/deps:{uuid.uuid4().hex[:16]}"
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    call("podman", "import", "--quiet", "--change", f"LABEL {NAME}={name}", str(tmp_path / "empty.tar"), name)
    cache = RegistryCache("podman", HostSettings(cache_registry=registry), Commands())
    cache.push(name)
    call("podman", "rmi", name)
    assert cache.pull(name)
    assert call("podman", "rmi", name)
    assert not cache.pull(f"{name}0"), "which nobody has pushed"


def test_nothing_is_pushed_where_that_is_not_wanted(machine: Machine, registry: str) -> None:
    model = machine.add_model("taker")
    machine.build(model, registry, CACHE_PUSH="0").succeeded()
    machine.forget(model)
    assert "Installing dependencies" in machine.build(model, registry, CACHE_PUSH="0").succeeded().err


def test_an_image_that_is_another_one_is_refused(machine: Machine, registry: str) -> None:
    model = machine.add_model("impostor")
    machine.build(model, registry).succeeded()
    deps = next(name for name in reversed(machine.names) if name.startswith("trainyard/deps:"))
    tags = call(machine.engine, "image", "inspect", "--format", "{{.Architecture}}", deps).strip()
    wrong = f"{registry}/{deps.removeprefix('trainyard/')}-{tags}"
    call(machine.engine, "tag", machine.alias, wrong)
    call(machine.engine, "push", wrong)
    call(machine.engine, "rmi", wrong)
    machine.forget(model)
    made = machine.build(model, registry, CACHE_PUSH="0").succeeded()
    assert re.search(rf"^warning: \S*{deps.rpartition(':')[2]}\S* is not {deps}", made.err, re.MULTILINE), made.err
    assert "Installing dependencies" in made.err


@pytest.mark.parametrize("behaviour", ["silent", "wrong", "absent"])
def test_a_registry_that_is_none_costs_a_warning(machine: Machine, behaviour: str) -> None:
    model = machine.add_model(f"alone_{behaviour}")
    with fake_registry(behaviour) as address:
        made = machine.build(model, address, CACHE_TIMEOUT="3").succeeded()
    warnings = [line for line in made.err.splitlines() if line.startswith("warning: CACHE_REGISTRY")]
    assert len(warnings) == 1, made.err
    assert warnings[0].startswith(f"warning: CACHE_REGISTRY={address} is not used: {machine.engine} pull")
    if behaviour == "silent":
        assert "took longer than 3 s and was stopped: set CACHE_TIMEOUT" in warnings[0]
    assert "Installing dependencies" in made.err


def test_what_is_no_registry_is_an_error(machine: Machine) -> None:
    machine.build(machine.add_model("mistaken"), "https://example.org").failed("CACHE_REGISTRY", "without a scheme")


@contextlib.contextmanager
def fake_registry(behaviour: str) -> Iterator[str]:
    """Takes connections and never answers; answers nonsense; is not there."""
    if behaviour == "wrong":
        with answering(ThreadingHTTPServer(("127.0.0.1", 0), _Nonsense)) as server:
            yield f"127.0.0.1:{server.server_port}"
        return
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if behaviour == "silent":
            yield f"127.0.0.1:{port}"
            return
    yield f"127.0.0.1:{port}"


class _Nonsense(Quiet, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.urandom(64))
