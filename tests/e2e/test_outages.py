"""A package index that answers slowly, wrongly or not at all: one clear line, within a time that has a name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Model, Monorepo, nobody_elses
from outages import Outage, serving_badly

from trainyard.host.requirements.lock_files import seal

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Outage]:
    with serving_badly() as server:
        yield server


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
    line = nobody_elses(package)
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text(f"{line}\n")


@pytest.mark.parametrize(("kind", "parts", "seconds"), KINDS)
def test_resolving(
    repo: Monorepo, model: Model, server: Outage, tmp_path: Path, kind: str, parts: list[str], seconds: float
) -> None:
    server.kind = kind
    ask_for(model, "colorama")
    started = time.monotonic()
    output = repo.make(model, "lock", **settings(server, tmp_path)).failed("requirements_train.txt", *parts)
    assert time.monotonic() - started < seconds, output
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
    text = lock.read_text()
    start = text.index("colorama==")
    end = text.find("\n", text.rindex("--hash", start, start + 200))
    digest = text.partition("\n")[0].rpartition(":")[2]
    lock.write_text(seal(digest, f"{text[start:end]}\n"))
    server.kind = "wrong package"
    made = repo.make(model, "build-predict", **settings(server, tmp_path))
    made.failed("requirements.lock", "is not the one that was locked", "make lock")


def test_an_index_that_nobody_listens_on(repo: Monorepo, model: Model, tmp_path: Path) -> None:
    ask_for(model, "colorama")
    nowhere = {"INDEX_URL": "http://me:secret-word@127.0.0.1:9/simple", "UV_CACHE_DIR": str(tmp_path)}
    output = repo.make(model, "lock", **nowhere).failed("http://127.0.0.1:9/simple", "cannot be reached", "HTTPS_PROXY")
    assert "secret-word" not in output
    repo.make(model, "lock").succeeded()
    repo.make(model, "build-predict", **nowhere).failed("cannot be reached", "INDEX_URL")
