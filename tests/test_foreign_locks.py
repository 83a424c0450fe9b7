"""Locks of other tools in a model directory: uv.lock, pylock.toml, pylock.<role>.toml, as uv itself writes them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import uv
from monorepo import Model, Monorepo

pytestmark = pytest.mark.slow

SDIST = "https://example.org/lib-1.tar.gz"
PROJECT = """\
[project]
name = "one"
version = "1"
requires-python = ">=3.11"
dependencies = ["tabulate<0.9"]

[project.optional-dependencies]
predict = ["iniconfig"]

[dependency-groups]
dev = ["pluggy"]
train = ["colorama==0.4.5"]
"""


@pytest.fixture
def repo(tmp_path: Path) -> Monorepo:
    return Monorepo(tmp_path / "repo", resolved=False)


@pytest.fixture
def model(repo: Monorepo) -> Model:
    """Without requirements files: its locks say what it needs."""
    model = repo.add_model("one")
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").unlink()
    return model


def run_uv(folder: Path, *arguments: str) -> None:
    subprocess.run([uv.find_uv_bin(), *arguments], cwd=folder, check=True, capture_output=True)


def write_uv_lock(model: Model, project: str = PROJECT) -> Path:
    (model.path / "pyproject.toml").write_text(project)
    run_uv(model.path, "lock")
    return model.path / "uv.lock"


def write_pylock(model: Model, requirements: str, name: str = "pylock.toml") -> Path:
    (model.path.parent / "wanted.in").write_text(requirements)
    run_uv(
        model.path, "pip", "compile", "--universal", "--python-version", "3.11", "--format", "pylock.toml",
        "--output-file", name, str(model.path.parent / "wanted.in"),
    )  # fmt: skip
    return model.path / name


def pins(model: Model, role: str) -> set[str]:
    text = (model.path / f"requirements_{role}.lock").read_text()
    return set(re.findall(r"^([\w.-]+==[\w.]+)", text, re.MULTILINE))


def installed(repo: Monorepo, model: Model, role: str) -> set[str]:
    """The distributions in the image of a role."""
    image = (repo.path / ".trainyard/process/images" / f"{model.container}-{role}" / "image.json").read_text()
    venv = re.search('"venv": "([^"]+)"', image)
    assert venv
    return {path.name for path in (repo.path / ".trainyard/process" / venv[1]).glob("lib/*/site-packages/*.dist-info")}


def test_uv_lock_is_installed_with_the_servers_own_packages(repo: Monorepo, model: Model) -> None:
    write_uv_lock(model)
    made = repo.make(model, "build-train").succeeded()
    assert f"warning: {model.path}/uv.lock: does not lock all that the server needs (" in made.err
    there = installed(repo, model, "train")
    assert {"tabulate-0.8.10.dist-info", "colorama-0.4.5.dist-info"} <= there  # of the project, of the group train
    assert any(name.startswith("gunicorn-") for name in there)
    assert not any(name.startswith(("pluggy", "iniconfig")) for name in there)  # of dev, of predict


def test_make_lock_completes_uv_lock_for_both_roles(repo: Monorepo, model: Model) -> None:
    write_uv_lock(model)
    repo.make(model, "lock").succeeded()
    assert {"tabulate==0.8.10", "colorama==0.4.5"} <= pins(model, "train")
    assert {"tabulate==0.8.10"} <= pins(model, "predict")
    assert any(pin.startswith("iniconfig==") for pin in pins(model, "predict"))
    made = repo.make(model, "build-predict", "STRICT=1").succeeded()
    assert "warning" not in made.err
    shown = repo.make(model, "show").succeeded()
    assert "projects/sums/one/requirements_train.lock" in shown.out


def test_hashes_of_a_foreign_lock_are_enforced(repo: Monorepo, model: Model) -> None:
    path = write_pylock(model, "tabulate<0.9\n")
    path.write_text(re.sub('sha256 = "[0-9a-f]{64}"', f'sha256 = "{"0" * 64}"', path.read_text()))
    repo.make(model, "build-predict").failed("requirements.lock", "not the one that was locked")


def test_uv_lock_of_another_pyproject_is_stale(repo: Monorepo, model: Model) -> None:
    write_uv_lock(model)
    (model.path / "pyproject.toml").write_text(PROJECT.replace('version = "1"', 'version = "2"'))
    assert "stale" not in repo.make(model, "show").succeeded().err
    for remembered in repo.path.glob(".trainyard/locks/uv-*.txt"):
        remembered.write_text(remembered.read_text()[:200])  # is exported again
    (model.path / "pyproject.toml").write_text(PROJECT.replace("tabulate<0.9", "tabulate"))
    shown = repo.make(model, "show").succeeded()
    assert f"{model.path}/uv.lock: stale" in shown.err
    assert "run uv lock" in shown.err
    assert "uv.lock: stale" in repo.make(model, "lock").succeeded().err
    repo.make(model, "build-train", "STRICT=1").failed("uv.lock: stale", "uv lock", "STRICT=1")


def test_uv_lock_without_its_project(repo: Monorepo, model: Model) -> None:
    write_uv_lock(model)
    (model.path / "pyproject.toml").unlink()
    repo.make(model, "build-train").failed(f"{model.path}/uv.lock: no pyproject.toml beside it")


def test_a_damaged_uv_lock_is_named_with_its_line(repo: Monorepo, model: Model) -> None:
    path = write_uv_lock(model)
    whole = path.read_text()
    path.write_text(f"<<<<<<< HEAD\n{whole}")
    repo.make(model, "build-train").failed(f"{path}: damaged", "at line 1", "uv lock")
    path.write_text(whole[: len(whole) // 2])
    repo.make(model, "build-train").failed(f"{path}: damaged", "at end of document", "uv lock")


def test_pylock_of_a_role_comes_before_the_one_for_both_and_that_before_uv_lock(repo: Monorepo, model: Model) -> None:
    write_uv_lock(model, PROJECT.replace("colorama==0.4.5", "colorama==0.4.4"))
    write_pylock(model, "tabulate==0.8.9\n")
    repo.make(model, "lock").succeeded()
    assert "tabulate==0.8.9" in pins(model, "train") & pins(model, "predict")
    assert not any(pin.startswith("colorama") for pin in pins(model, "train"))
    write_pylock(model, "tabulate==0.8.9\niniconfig==2.0.0\n", "pylock.predict.toml")
    assert "requirements_predict.lock: stale" in repo.make(model, "show").succeeded().err
    repo.make(model, "lock").succeeded()
    assert "iniconfig==2.0.0" in pins(model, "predict") - pins(model, "train")


def test_a_pylock_that_the_server_cannot_live_with(repo: Monorepo, model: Model) -> None:
    write_pylock(model, "flask==2.3.3\n")
    repo.make(model, "build-predict").failed("pylock.toml", "the server needs", "flask")


def test_a_pylock_with_everything_needs_no_lock_of_ours(repo: Monorepo, model: Model) -> None:
    runtime = Path(__file__).parent.parent / "builders/base/requirements.txt"
    write_pylock(model, runtime.read_text() + "tabulate<0.9\n")
    made = repo.make(model, "build-predict", "STRICT=1").succeeded()
    assert "warning" not in made.err
    assert "tabulate-0.8.10.dist-info" in installed(repo, model, "predict")


def test_two_pylocks_with_different_versions_of_one_package(repo: Monorepo, model: Model) -> None:
    write_pylock(model, "tabulate==0.8.9\n", "pylock.train.toml")
    write_pylock(model, "tabulate==0.8.10\n", "pylock.predict.toml")
    repo.make(model, "lock").failed("pylock.train.toml has tabulate==0.8.9, pylock.predict.toml tabulate==0.8.10")


def test_requirements_beside_a_foreign_lock_have_to_be_in_it(repo: Monorepo, model: Model) -> None:
    write_pylock(model, "tabulate==0.8.9\n")
    wanted = model.path / "requirements_predict.txt"
    wanted.write_text("# what we need\ntabulate>=0.9\n")
    repo.make(model, "build-predict").failed(f"{wanted}:2 (tabulate>=0.9)", "pylock.toml has tabulate==0.8.9")
    wanted.write_text("colorama\n")
    repo.make(model, "build-predict").failed(f"{wanted}:1 (colorama)", "not in pylock.toml")


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ('directory = {path = "../lib"}', "lib is not a package of an index"),
        (
            f"""version = "1"\nmarker = "'x' in extras"\nsdist = {{url = "{SDIST}", hashes = {{sha256 = "00"}}}}""",
            "depends on extras or groups",
        ),
        (f'version = "1"\nsdist = {{url = "{SDIST}", hashes = {{crc = "00"}}}}', "no hash that can be checked"),
        ('version = "one"', "not a lock of PEP 751"),
    ],
    ids=["directory", "extras", "weak-hash", "invalid"],
)
def test_a_pylock_that_cannot_be_installed_with_hashes(
    repo: Monorepo, model: Model, package: str, expected: str
) -> None:
    path = model.path / "pylock.toml"
    path.write_text(f'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "lib"\n{package}\n')
    repo.make(model, "build-predict").failed(str(path), expected)


def test_the_all_image_has_what_a_foreign_lock_holds(repo: Monorepo, model: Model) -> None:
    write_pylock(model, "tabulate==0.8.9\n")
    other = repo.add_model("two")
    (other.path / "requirements_predict.txt").write_text("colorama\n")
    folder = repo.add_all()
    repo.make(folder, "build-image").succeeded()
    image = (repo.path / ".trainyard/process/images").glob("*-sums-all/image.json")
    venv = re.search('"venv": "([^"]+)"', next(image).read_text())
    assert venv
    assert list((repo.path / ".trainyard/process" / venv[1]).glob("lib/*/site-packages/tabulate-0.8.9.dist-info"))


def test_locks_of_other_tools_do_not_enter_the_image(repo: Monorepo, model: Model) -> None:
    write_uv_lock(model)
    write_pylock(model, "tabulate==0.8.9\n")
    repo.make(model, "build-predict").succeeded()
    assert list(repo.path.glob(".trainyard/process/images/*-predict/builds/*/sums/one/predict.py"))
    assert not [
        path for pattern in ("uv.lock", "pylock*") for path in repo.path.glob(f".trainyard/process/images/**/{pattern}")
    ]
