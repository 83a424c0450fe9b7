"""Package caches, and virtual environments, with damaged files: nothing of them is installed in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from monorepo import Made, Model, Monorepo, ask

pytestmark = pytest.mark.slow
NIGHTLY = pytest.mark.nightly


def cut(path: Path) -> None:
    """A file of its own: in a virtual environment it has the same inode."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:20])


def zeroes(path: Path) -> None:
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(bytes(size))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package cache that has what is needed."""
    cache = tmp_path_factory.mktemp("filled") / "uv"
    filling = Monorepo(tmp_path_factory.mktemp("repo"))
    build(filling, add_model(filling, "filling"), cache).succeeded()
    return cache


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    """One to damage."""
    return shutil.copytree(filled, tmp_path / "uv", symlinks=True)


def build(repo: Monorepo, model: Model, cache: Path) -> Made:
    return repo.make(model, "build-predict", UV_CACHE_DIR=str(cache))


def add_model(repo: Monorepo, name: str) -> Model:
    model = repo.add_model(name)
    (model.path / "requirements_predict.txt").write_text("colorama==0.4.6\n")
    model.replace("predict.py", "import os\n", "import os\n\nfrom colorama import Fore\n")
    return model


def venv(repo: Monorepo, model: Model) -> Path:
    image = repo.path / ".trainyard/process/images" / f"{model.container}-predict" / "image.json"
    return repo.path / ".trainyard/process" / json.loads(image.read_text())["venv"]


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("colorama/ansi.py", cut),
        pytest.param("colorama/ansi.py", zeroes, marks=NIGHTLY),
        pytest.param("colorama/ansi.py", Path.unlink, marks=NIGHTLY),
        pytest.param("colorama-0.4.6.dist-info/RECORD", cut, marks=NIGHTLY),
        ("colorama-0.4.6.dist-info/RECORD", Path.unlink),
    ],
)
def test_a_damaged_package_is_fetched_again(
    repo: Monorepo, cache: Path, file: str, damage: Callable[[Path], None]
) -> None:
    (path,) = cache.glob(f"archive-v0/*/{file}")
    damage(path)
    model = add_model(repo, "taking")
    output = build(repo, model, cache).succeeded().err
    assert "warning: the package cache has damaged files of colorama: fetched again" in output
    (site,) = venv(repo, model).glob("lib/python*/site-packages")
    assert (site / "colorama" / "ansi.py").stat().st_size == 2522
    (path,) = cache.glob("archive-v0/*/colorama/ansi.py")
    assert path.stat().st_size == 2522, "it is in the cache, too"


def test_a_cache_in_which_every_file_is_damaged(repo: Monorepo, cache: Path) -> None:
    for path in [
        path for path in cache.rglob("*") if path.is_file() and not path.is_symlink() and path.name != ".lock"
    ]:
        cut(path)
    model = add_model(repo, "taking")
    build(repo, model, cache).succeeded()
    repo.make(model, "train").succeeded()
    with repo.serving(model) as port:
        assert ask(port, "taking/predict", b'{"payload": {"instances": [[1, 2]]}}')[0] == 200


@pytest.mark.parametrize("damage", [cut, pytest.param(Path.unlink, marks=NIGHTLY)])
def test_a_damaged_virtual_environment_is_made_anew(
    repo: Monorepo, cache: Path, damage: Callable[[Path], None]
) -> None:
    model = add_model(repo, "standing")
    build(repo, model, cache).succeeded()
    (file,) = venv(repo, model).glob("lib/python*/site-packages/flask/app.py")
    damage(file)
    model.replace("predict.py", "factor * sum(row)", "1 + factor * sum(row)")
    output = build(repo, model, cache).succeeded().err
    assert "what is installed is damaged (lib/python" in output
    assert "flask/app.py): the image below has to be made anew; it is made anew" in output
    assert file.stat().st_size > 1000
    model.replace("predict.py", "1 + factor", "2 + factor")
    assert "is damaged" not in build(repo, model, cache).succeeded().err
