"""A package index that answers slowly, wrongly or not at all: one clear line, within a time that has a name."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from monorepo import Model, Monorepo

PAGE = b"<html><body><h1>Please log in</h1></body></html>"


class Outage(ThreadingHTTPServer):
    """An index with something wrong about it, or (``silent``, ``dripping``) a server of anything else."""

    daemon_threads = True
    kind = ""

    @property
    def index(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple"


class Handler(BaseHTTPRequestHandler):
    server: Outage

    def do_GET(self) -> None:
        kind = self.server.kind
        if kind == "silent":
            time.sleep(60)
        elif kind == "dripping":
            self._drip()
        elif self.path.endswith(".whl"):
            self._answer(200, b"not what was locked")
        elif kind == "wrong package":
            name = self.path.strip("/").split("/")[-1]
            files = {"colorama": "colorama-0.4.6-py2.py3-none-any.whl"}
            digest = hashlib.sha256(b"not what was locked").hexdigest()
            page = f'<a href="/{files[name]}#sha256={digest}">{files[name]}</a>' if name in files else ""
            self._answer(200, page.encode())
        else:
            status = int(kind) if kind.isdecimal() else 200
            self._answer(status, b"{" if kind == "no JSON" else PAGE, "json" if kind == "no JSON" else "html")

    do_HEAD = do_GET  # noqa: N815 -- the server's name for it

    def _answer(self, status: int, body: bytes, form: str = "html") -> None:
        self.send_response(status)
        types = {"html": "text/html", "json": "application/vnd.pypi.simple.v1+json"}
        self.send_header("Content-Type", types[form])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        for _ in range(60):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.5)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Outage]:
    server = Outage(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


KINDS = [
    pytest.param("silent", ["did not answer within 1 s", "INDEX_TIMEOUT"], 15, marks=pytest.mark.slow),
    pytest.param("dripping", ["longer than 4 s", "BUILD_TIMEOUT"], 15, marks=pytest.mark.slow),
    pytest.param("503", ["answered 503 Service Unavailable", "INDEX_URL"], 20, marks=pytest.mark.slow),
    ("401", ["the user and the password", "INDEX_URL"], 10),
    ("no JSON", ["answered what is no list of packages", "INDEX_URL"], 10),
    ("login page", ["INDEX_URL"], 10),
]  # fmt: skip


def settings(server: Outage, folder: Path) -> dict[str, str]:
    """Nothing is in the cache, so the index has to be asked."""
    whole = "4" if server.kind == "dripping" else "60"
    named = {"INDEX_URL": server.index, "INDEX_TIMEOUT": "1", "BUILD_TIMEOUT": whole}
    return {**named, "UV_CACHE_DIR": str(folder), "NO_PROXY": "127.0.0.1"}


def ask_for(model: Model, package: str) -> None:
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text(f"# {uuid.uuid4()}\n{package}\n")


@pytest.mark.parametrize(("kind", "parts", "seconds"), KINDS)
def test_resolving(
    repo: Monorepo, model: Model, server: Outage, tmp_path: Path, kind: str, parts: list[str], seconds: float
) -> None:
    server.kind = kind
    ask_for(model, "colorama")
    started = time.monotonic()
    said = repo.make(model, "lock", **settings(server, tmp_path)).failed("requirements_train.txt", *parts)
    assert time.monotonic() - started < seconds, said
    assert list(model.path.glob("*.lock")) == []


@pytest.mark.parametrize(("kind", "parts", "seconds"), KINDS)
def test_installing(
    repo: Monorepo, model: Model, server: Outage, tmp_path: Path, kind: str, parts: list[str], seconds: float
) -> None:
    ask_for(model, "colorama")
    repo.make(model, "lock").succeeded()
    server.kind = kind
    started = time.monotonic()
    repo.make(model, "build-predict", **settings(server, tmp_path)).failed(*parts)
    assert time.monotonic() - started < seconds
    assert list(repo.path.glob(f".trainyard/process/images/{model.container}*/image.json")) == []
    repo.make(model, "build-predict").succeeded()


def test_a_package_that_is_another_than_the_locked_one(
    repo: Monorepo, model: Model, server: Outage, tmp_path: Path
) -> None:
    ask_for(model, "colorama==0.4.6")
    repo.make(model, "lock").succeeded()
    lock = model.path / "requirements_predict.lock"
    header, _, text = lock.read_text().partition("\n")
    start = text.index("colorama==")
    end = text.find("\n", text.rindex("--hash", start, start + 200))
    lock.write_text(f"{header}\n{text[start:end]}\n")
    server.kind = "wrong package"
    made = repo.make(model, "build-predict", **settings(server, tmp_path))
    made.failed("requirements.lock", "is not the one that was locked", "make lock")


def test_an_index_that_nobody_listens_on(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    ask_for(model, "colorama")
    nowhere = {"INDEX_URL": "http://me:secret-word@127.0.0.1:9/simple", "UV_CACHE_DIR": str(tmp_path)}
    said = repo.make(model, "lock", **nowhere).failed("http://127.0.0.1:9/simple", "cannot be reached", "HTTPS_PROXY")
    assert "secret-word" not in said
    repo.make(model, "lock").succeeded()
    repo.make(model, "build-predict", **nowhere).failed("cannot be reached", "INDEX_URL")
