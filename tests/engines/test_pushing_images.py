"""make push: images to a real registry, by digest, tagged by the commit that they are of."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from engines.calls import call
from image_registry import image_registry
from monorepo import Made, Monorepo
from needs import need
from servers import Quiet, answering

pytestmark = pytest.mark.slow
MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
NOWHERE = "REGISTRY=127.0.0.1:9"


def git(repo: Monorepo, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, cwd=repo.path, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")]
)
def repo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    """Two models and what merges them, committed."""
    need(request.param)
    repo = Monorepo(tmp_path_factory.mktemp("repo"), request.param)
    repo.add_model("one")
    repo.add_model("other")
    repo.add_all()
    (repo.path / ".gitignore").write_text(".venv\n.trainyard/\n")
    git(repo, "init", "-q")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "first")
    yield repo
    repo.make(None, "clean").succeeded()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with image_registry(tmp_path / "registry") as name:
        yield name


@pytest.fixture(autouse=True)
def _committed(repo: Monorepo) -> Iterator[None]:
    yield
    git(repo, "checkout", "-q", ".")
    (repo.path / "compute.yaml").unlink(missing_ok=True)


def model(repo: Monorepo, name: str = "one") -> Path:
    return repo.path / "projects" / "sums" / name


def head(repo: Monorepo) -> str:
    return git(repo, "rev-parse", "HEAD")[:12]


def asked(registry: str, path: str) -> Any:
    request = urllib.request.Request(f"http://{registry}/v2/{path}", headers={"Accept": MANIFESTS})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def repositories(registry: str) -> list[str]:
    return list(asked(registry, "_catalog")["repositories"])


def tags(registry: str, name: str) -> list[str]:
    return sorted(asked(registry, f"{name}/tags/list")["tags"])


def in_words(made: Made) -> dict[str, Any]:
    return {one["image"]: one for one in json.loads(made.out)}


def test_both_images_of_a_model(repo: Monorepo, registry: str) -> None:
    made = repo.make(model(repo), "push", f"REGISTRY={registry}/team").succeeded()
    train, predict = made.out.split()
    for reference, name in ((train, "sums-one-train"), (predict, "sums-one-predict")):
        name = f"team/{repo.container(name)}"
        digest = re.fullmatch(f"{registry}/{name}@(sha256:[0-9a-f]{{64}})", reference)
        assert digest, reference
        assert asked(registry, f"{name}/manifests/{digest[1]}")["layers"]
        assert tags(registry, name) == [head(repo)]
    assert registry not in call(repo.engine, "images")
    again = repo.make(model(repo), "push", f"REGISTRY={registry}/team").succeeded()
    # podman may compress a layer anew, which gives another digest.
    assert again.out == made.out or repo.engine == "podman"


def test_changes_that_are_not_committed_are_in_the_tag(repo: Monorepo, registry: str) -> None:
    repo.make(model(repo), "build-predict").succeeded()
    with (model(repo) / "predict.py").open("a") as file:
        file.write("# changed\n")
    as_it_is = repo.make(model(repo), "push", f"REGISTRY={registry}", "BUILD=0", "FORMAT=json").succeeded()
    image = repo.container("sums-one-predict")
    assert in_words(as_it_is)[image]["tag"] == head(repo)  # that it was built from
    built = repo.make(model(repo), "push", f"REGISTRY={registry}", "FORMAT=json").succeeded()
    assert in_words(built)[image]["tag"] == f"{head(repo)}-dirty"
    assert tags(registry, image) == [head(repo), f"{head(repo)}-dirty"]
    assert in_words(built)[image]["reference"] != in_words(as_it_is)[image]["reference"]


def test_those_that_changed(repo: Monorepo, registry: str) -> None:
    nothing = repo.make(None, "push", f"REGISTRY={registry}", "SINCE=HEAD").succeeded()
    assert "nothing is pushed" in nothing.err
    assert repositories(registry) == []
    with (model(repo, "other") / "predict.py").open("a") as file:
        file.write("# changed\n")
    made = repo.make(None, "push", f"REGISTRY={registry}", "SINCE=HEAD", "FORMAT=json").succeeded()
    assert sorted(in_words(made)) == repositories(registry)
    changed = ("sums-other-predict", "sums-other-train", "sums-all", "all")
    assert repositories(registry) == sorted(map(repo.container, changed))


def test_one_that_cannot_be_pushed_keeps_nothing_from_the_others(repo: Monorepo, registry: str) -> None:
    (model(repo, "other") / ".s2i" / "environment").write_text("ROUTES=nothing\n")
    made = repo.make(None, "push", f"REGISTRY={registry}", "FORMAT=json")
    made.failed("of 6 images were not pushed")
    found = in_words(made)
    assert len(found) == 6
    assert repositories(registry) == sorted(map(repo.container, ("sums-one-predict", "sums-one-train")))
    assert all(one["error"] for name, one in found.items() if name not in repositories(registry))
    assert ".s2i/environment:1" in made.err


def test_the_registry_of_a_compute(repo: Monorepo, registry: str) -> None:
    entries = {"lab": {"kind": "local", "registry": f"{registry}/lab"}, "bare": {"kind": "local"}}
    (repo.path / "compute.yaml").write_text(yaml.safe_dump(entries))
    folder = model(repo).parent / "all"
    made = repo.make(folder, "push", "COMPUTE=lab").succeeded()
    assert made.out.startswith(f"{registry}/lab/{repo.container('sums-all')}@sha256:")
    repo.make(folder, "push", "COMPUTE=bare").failed("bare has no registry", "registry: <host:port/path>")
    repo.make(folder, "push", "COMPUTE=other").failed("no compute other")
    repo.make(folder, "push", "COMPUTE=lab", f"REGISTRY={registry}").failed("say one of them")


def test_what_cannot_begin(repo: Monorepo) -> None:
    repo.make(model(repo), "push").failed("where to? REGISTRY is missing")
    repo.make(model(repo), "push", "REGISTRY=https://a").failed("not a registry")
    repo.make(model(repo), "push", NOWHERE, "FORMAT=csv").failed("FORMAT=csv")
    repo.make(None, "push", NOWHERE, "SINCE=nothing").failed("git diff", "nothing")
    repo.make(None, "push", NOWHERE, ENGINE="process").failed("folder of the process engine", "ENGINE=docker or podman")


def test_a_dry_run_pushes_nothing(repo: Monorepo, registry: str) -> None:
    made = repo.make(model(repo), "push", "-n", f"REGISTRY={registry}").succeeded()
    name = re.escape(f"{registry}/{repo.container('sums-one-predict')}:{head(repo)}")
    assert re.search(f"^{repo.engine} push .*{name}$", made.out, re.MULTILINE), made.out
    assert repositories(registry) == []


class Closed(Quiet):
    """Asks for a password."""

    def do_GET(self) -> None:  # noqa: N802 -- of BaseHTTPRequestHandler
        self.refuse(401, WWW_Authenticate='Basic realm="registry"')

    do_HEAD = do_POST = do_GET  # noqa: N815


def test_a_registry_that_wants_a_password(repo: Monorepo) -> None:
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Closed)) as server:
        address = f"127.0.0.1:{server.server_address[1]}"
        made = repo.make(model(repo), "push", f"REGISTRY={address}/team")
    made.failed("2 of 2 images were not pushed")
    assert made.err.count(f"{repo.engine} login {address}") == 2
