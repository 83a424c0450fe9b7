"""One set of settings reaches whatever downloads: resolving, installing, filling a wheelhouse."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, nobody_elses
from servers import Quiet, answering

pytestmark = pytest.mark.slow

LOGIN = "reader:correct horse"


class Proxy(ThreadingHTTPServer):
    """Sends whoever knows the password, and asks for http://index.invalid, on to the real index."""

    daemon_threads = True
    asked: list[str]

    @property
    def url(self) -> str:
        return f"http://reader:correct%20horse@127.0.0.1:{self.server_address[1]}"


class Handler(Quiet, BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        expected = f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
        if self.headers.get("Proxy-Authorization") != expected:
            self.refuse(407)
        else:
            self.server.asked.append(self.path)
            self.send_on("http://index.invalid/simple")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    server = Proxy(("127.0.0.1", 0), Handler)
    server.asked = []
    with answering(server):
        yield server


@pytest.mark.parametrize("verb", ["lock", "build-predict", "wheelhouse"])
def test_a_proxy_with_a_password(repo: Monorepo, model: Model, proxy: Proxy, tmp_path: Path, verb: str) -> None:
    line = nobody_elses("colorama")
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text(f"{line}\n")
    if verb != "lock":
        repo.make(model, "lock").succeeded()
    settings = {
        "INDEX_URL": "http://index.invalid/simple", "HTTP_PROXY": proxy.url, "UV_CACHE_DIR": str(tmp_path / "cache"),
        "PIP_NO_CACHE_DIR": "1",
    }  # fmt: skip
    if verb == "wheelhouse":
        settings["WHEELHOUSE"] = str(tmp_path / "wheels")
    made = repo.make(None if verb == "wheelhouse" else model, verb, **settings).succeeded()
    assert any("colorama" in path for path in proxy.asked)
    assert "correct" not in made.out + made.err


def test_a_host_without_a_proxy(repo: Monorepo, model: Model, proxy: Proxy, tmp_path: Path) -> None:
    (model.path / "requirements_train.txt").write_text(f"# {uuid.uuid4()}\ncolorama\n")
    made = repo.make(
        model, "lock", INDEX_URL="http://index.invalid/simple", HTTP_PROXY=proxy.url, NO_PROXY="index.invalid",
        UV_CACHE_DIR=str(tmp_path),
    )  # fmt: skip
    made.failed("http://index.invalid/simple", "cannot be reached")
    assert proxy.asked == []
