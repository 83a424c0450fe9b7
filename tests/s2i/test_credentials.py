"""An index URL with a password serves the build and stays out of what was built."""

from __future__ import annotations

import base64
import gzip
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from contexts import write_context
from images import DAEMON, config, docker, exists, inside, run_real_s2i
from monorepo import Monorepo
from servers import Quiet, answering

from trainyard.host.network.build_settings import FOLDER, settings_folder
from trainyard.settings.host import HostSettings

CANARY = "secret-canary"
PORT = 18499  # the same each time where it is free: package caches remember an index by its URL


class Index(ThreadingHTTPServer):
    """Sends whoever knows the password on to the real index; ``admitted`` counts them."""

    admitted = 0

    def url(self, host: str) -> str:
        return f"http://user:{CANARY}@{host}:{self.server_address[1]}/simple"


class Guard(Quiet, BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        expected = base64.b64encode(f"user:{CANARY}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self.refuse(401, WWW_Authenticate="Basic")
        else:
            self.server.admitted += 1
            self.send_on("/simple")


@pytest.fixture
def index() -> Iterator[Index]:
    try:
        server = Index(("0.0.0.0", PORT), Guard)
    except OSError:
        server = Index(("0.0.0.0", 0), Guard)
    with answering(server):
        yield server


@pytest.fixture(scope="module")
def host(workshop) -> str:
    """This machine as containers see it: their default gateway."""
    routes = [line.split() for line in in_builder("cat /proc/net/route").splitlines()[1:]]
    gateway = next(fields[2] for fields in routes if fields[1] == "00000000")
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(gateway)))


def in_builder(command: str) -> str:
    return docker("run", "--rm", "--entrypoint", "/bin/bash", DAEMON, "-c", command)


def holders(image: str, text: str) -> list[str]:
    """Where in an image (its configuration, its history, a file of a layer) a text is."""
    found = []
    if text in docker("history", "--no-trunc", image) or text in docker("image", "inspect", image):
        found.append("configuration")
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        assert saving.stdout
        with tarfile.open(fileobj=saving.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member).read() if member.isfile() else b""
                if content[:2] == b"\x1f\x8b":
                    content = gzip.decompress(content)
                if text.encode() in content:
                    found.append(member.name)
    return found


def test_scan_finds_what_is_there(workshop, tmp_path):
    context = write_context(tmp_path, {"shop/sum/note.txt": "planted-in-a-file\n"})
    image = workshop.name("leaking")
    workshop.build(context, DAEMON, image, "--env", "INDEX_URL=planted-in-the-environment")

    assert any(name.endswith(".tar") or "blobs" in name for name in holders(image, "planted-in-a-file"))
    assert "configuration" in holders(image, "planted-in-the-environment")


def test_image_of_s2i(workshop, index, host, tmp_path):
    context = write_context(tmp_path, {"requirements.txt": "colorama==0.4.6\n"})
    image = workshop.name("canary")

    # As bin/s2i does, but for the package cache: everything has to come from the index.
    with settings_folder(HostSettings.read({**os.environ, "INDEX_URL": index.url(host)})) as folder:
        volume = f"{folder}:{FOLDER}:ro"
        done = run_real_s2i("build", "--copy", "--volume", volume, str(context), DAEMON, image)

    assert done.status == 0, done.output
    assert index.admitted > 0
    assert CANARY not in done.output
    assert holders(image, CANARY) == []
    assert inside(image, "ls -A /var/cache/trainyard; ls -d /tmp/tmp.* 2>/dev/null || :") == ""


def test_what_setup_sh_leaves_behind_fails_the_build(workshop, index, host, tmp_path):
    context = write_context(tmp_path, {"setup.sh": "echo $PIP_INDEX_URL > /etc/pip.conf\n"})
    image = workshop.name("keeping")

    done = workshop.s2i("build", "--copy", str(context), DAEMON, image, INDEX_URL=index.url(host))

    assert done.status != 0
    assert [line for line in done.errors if "/etc/pip.conf: a credential of this build" in line], done.output
    assert CANARY not in done.output
    assert not exists(image)


AWS = "AKIA" + "Q3EGXMPLRT7WZ2KV"  # in two parts: others look for them, too
GITHUB = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("shop/sum/keys.py", f"KEY = '{AWS}'\n", "shop/sum/keys.py:1: an AWS access key would get into the image"),
        ("setup.sh", f"echo\n# {GITHUB}\n", "setup.sh:2: a GitHub token would get into the image"),
        ("setup.sh", "mkdir /opt/tool; echo ghp_$(echo {a..z} {0..9} | tr -d ' ') > /opt/tool/login\n",
         "/opt/tool/login:1: a GitHub token would stay in the image (layer: sources)"),
    ],
)  # fmt: skip
def test_what_looks_like_a_credential_fails_a_build_of_s2i_alone(workshop, tmp_path, file, text, expected):
    error = workshop.error(write_context(tmp_path, {file: text}))

    assert error.startswith(f"error: {expected}: ")
    assert AWS not in error
    assert GITHUB not in error


def test_what_is_no_secret_can_be_said_to_be_none(workshop, tmp_path):
    context = write_context(
        tmp_path, {"shop/sum/keys.py": f"KEY = '{AWS}'  # opens nothing; trainyard: allow-secret\n"}
    )
    workshop.build(context, DAEMON, workshop.name("allowed"))


@pytest.mark.parametrize("builder", ["s2i", "builtin"])
def test_what_an_import_writes_fails_a_build_of_make(workshop, tmp_path, builder):
    """Nothing is in the context: what the check of the wiring imports writes it."""
    monorepo = Monorepo(tmp_path / "repo", engine="docker")
    model = monorepo.add_model("writing", "shop")
    with (model.path / "predict.py").open("a") as file:
        file.write(f"open('cached.txt', 'w').write('{AWS[:9]}' + '{AWS[9:]}')\n")

    made = monorepo.make(model, "build-predict", BUILDER=builder)

    assert AWS not in made.failed("cached.txt:1: an AWS access key would get into the image")
    assert not exists(f"{model.container}-predict")


def test_images_of_make(workshop, index, host, tmp_path):
    monorepo = Monorepo(tmp_path / "repo", engine="docker")
    model = monorepo.add_model("secretive", "shop")
    (model.path / "setup.sh").write_text(f"# {uuid.uuid4()}: its dependency image is no other's\n")
    image = workshop.name("canary-make-predict")

    made = monorepo.make(
        model, "build-predict", f"CONTAINER_NAME={image.removesuffix('-predict')}", INDEX_URL=index.url(host)
    ).succeeded()

    assert index.admitted > 0
    assert CANARY not in made.out + made.err
    assert holders(image, CANARY) == []
    assert [path for path in Path(monorepo.path).rglob("*") if holds(path, CANARY)] == []
    remove_dependencies(image)


def holds(path: Path, text: str) -> bool:
    return ".venv" not in path.parts and path.is_file() and text.encode() in path.read_bytes()


def remove_dependencies(image: str) -> None:
    builder = config(image)["Labels"]["io.openshift.s2i.build.image"].removeprefix("docker.io/")
    docker("rmi", "--force", image, builder, builder.rsplit("-", 2)[0])
