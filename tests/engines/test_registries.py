"""A registry that answers slowly, wrongly or not at all, when the base image is pulled."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Monorepo, free_port
from needs import need
from outages import Outage, serving_badly


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Monorepo:
    need(request.param)
    return Monorepo(tmp_path / "repo", request.param)


@pytest.fixture
def server() -> Iterator[Outage]:
    with serving_badly() as server:
        yield server


@pytest.mark.parametrize(("kind", "seconds"), [("503", 30), ("login page", 30), ("nobody", 60)])
def test_a_registry_that_answers_wrongly(repo: Monorepo, server: Outage, kind: str, seconds: int) -> None:
    server.kind = kind
    port = free_port() if kind == "nobody" else server.server_address[1]
    image = f"127.0.0.1:{port}/python:3.12"
    made = repo.make(None, "builders", f"BASE_IMAGE={image}", PULL_TIMEOUT=str(seconds))
    made.failed(f"BASE_IMAGE={image}: {repo.engine} pull failed: ", "name an image that can be pulled")


def test_a_registry_that_is_silent(repo: Monorepo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connects, and never says a word
        image = f"127.0.0.1:{listening.getsockname()[1]}/python:3.12"
        started = time.monotonic()
        made = repo.make(None, "builders", f"BASE_IMAGE={image}", PULL_TIMEOUT="3")
        assert time.monotonic() - started < 20
    made.failed(f"BASE_IMAGE={image}: {repo.engine} pull took longer than 3 s", "set PULL_TIMEOUT")
