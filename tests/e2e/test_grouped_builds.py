"""GROUPS=auto: models whose requirements clash, in one image: how they are grouped and built."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grouped import add_with_toolz, toolz_repo
from monorepo import Monorepo

pytestmark = pytest.mark.slow

NO_INDEX = {"INDEX_URL": "http://127.0.0.1:9/simple", "UV_OFFLINE": ""}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    """one and three want another toolz than two; nothing else is built."""
    yield toolz_repo(tmp_path_factory.mktemp("repo"))


@pytest.fixture(scope="module")
def folder(repo: Monorepo) -> Path:
    folder = repo.path / "projects" / "sums" / "all"
    made = repo.make(folder, "build-image", "GROUPS=auto").succeeded()
    assert "Group 1: sums/one, sums/three; group 2: sums/two (toolz 1.0.0)" in made.err
    return folder


def test_without_groups_the_conflict_is_reported_and_the_fix_named(repo: Monorepo) -> None:
    made = repo.make(repo.path / "projects" / "sums" / "all", "build-image")
    made.failed(
        "sums/one/requirements_predict.txt:1 (toolz==0.12.1)",
        "sums/two/requirements_predict.txt:1 (toolz==1.0.0)",
        "cannot be installed together",
        "GROUPS=auto",
    )


@pytest.mark.parametrize("verb", ["build-image", "build-all", "create-routes"])
def test_any_other_value_is_refused(repo: Monorepo, verb: str) -> None:
    made = repo.make(repo.path / "projects" / "sums" / "all", verb, "GROUPS=two")
    made.failed("GROUPS=two: there is no such way to group", "say GROUPS=auto")


def test_the_generated_files_say_the_groups(folder: Path) -> None:
    environment = (folder / ".s2i" / "environment").read_text()
    assert "ROUTE_GROUPS=one/predict,three/predict;two/predict\n" in environment
    assert "MERGED=sums/one,sums/two,sums/three\n" in environment
    assert "toolz==0.12.1" in (folder / "requirements.txt").read_text()
    assert "toolz==1.0.0" in (folder / "requirements.2.txt").read_text()
    assert "cannot be imported: these models need different versions" in (folder / "predict.py").read_text()


def test_each_group_has_an_environment_from_its_own_lock(repo: Monorepo, folder: Path) -> None:
    image = image_of(repo)
    assert versions(repo, image) == [["toolz-0.12.1.dist-info"], ["toolz-1.0.0.dist-info"]]
    build = repo.path / ".trainyard" / "process" / image["build"]
    assert "toolz==0.12.1" in (build / "requirements.lock").read_text()
    assert "toolz==1.0.0" in (build / "requirements.2.lock").read_text()


def test_nothing_is_asked_of_the_index_or_installed_twice(repo: Monorepo, folder: Path) -> None:
    made = repo.make(folder, "build-image", "GROUPS=auto", **NO_INDEX).succeeded()
    assert "is up to date" in made.err
    assert "Resolving" not in made.err
    shown = repo.make(None, "-n", "build-all", "GROUPS=auto", **NO_INDEX).succeeded()
    assert f"build {repo.container('sums-all')}\n" not in shown.out  # all/ and the members are to build, this is not
    assert f"build {repo.container('sums-one')}-train" in shown.out


def test_an_edit_of_a_member_builds_the_image_again_and_installs_nothing(repo: Monorepo, folder: Path) -> None:
    with (repo.path / "projects" / "sums" / "two" / "predict.py").open("a") as file:
        file.write("# edited\n")
    shown = repo.make(None, "-n", "build-all", "GROUPS=auto").succeeded()
    assert f"build {repo.container('sums-all')}\n" in shown.out
    made = repo.make(folder, "build-image", "GROUPS=auto", **NO_INDEX).succeeded()
    assert made.err.count("Dependencies are installed already") == 2
    assert "Installing dependencies" not in made.err


def test_a_mistake_in_a_model_of_the_second_group_fails_the_build(repo: Monorepo, folder: Path) -> None:
    path = repo.path / "projects" / "sums" / "two" / "predict.py"
    good = path.read_text()
    try:
        path.write_text(good.replace("def predict_two", "def predict_tow"))
        repo.make(folder, "build-image", "GROUPS=auto").failed("predict_two", "did you mean predict_tow?")
    finally:
        path.write_text(good)
    assert versions(repo, image_of(repo)) == [["toolz-0.12.1.dist-info"], ["toolz-1.0.0.dist-info"]]


def test_damage_in_the_environment_of_a_group_is_noticed_and_fixed(repo: Monorepo, folder: Path) -> None:
    (venv,) = image_of(repo)["more_venvs"]
    (file,) = (repo.path / ".trainyard" / "process" / venv).glob("lib/python*/site-packages/toolz/dicttoolz.py")
    file.unlink()
    with (repo.path / "projects" / "sums" / "two" / "predict.py").open("a") as source:
        source.write("# damaged\n")
    output = repo.make(folder, "build-image", "GROUPS=auto").succeeded().err
    assert f"{venv}: what is installed is damaged (lib/python" in output
    assert "toolz/dicttoolz.py): the image below has to be made anew; it is made anew" in output
    assert file.is_file()


def test_a_bill_of_materials_lists_both_versions(repo: Monorepo, folder: Path) -> None:
    repo.make(folder, "sbom", "GROUPS=auto").succeeded()
    path = repo.path / ".trainyard" / "sbom" / f"{repo.container('sums-all')}.cdx.json"
    bill = json.loads(path.read_text())
    refs = [part["bom-ref"] for part in bill["components"]]
    assert len(refs) == len(set(refs))
    assert {"pkg:pypi/toolz@0.12.1", "pkg:pypi/toolz@1.0.0"} <= set(refs)
    locked = next(part for part in bill["components"] if part["bom-ref"] == "pkg:pypi/toolz@1.0.0")
    assert locked["externalReferences"][0]["hashes"]


def test_a_credential_in_a_group_is_found(repo: Monorepo, folder: Path) -> None:
    made = repo.make(folder, "build-image", "GROUPS=auto", API_TOKEN="toolz.__version__")
    made.failed("sums/", "predict.py:", "API_TOKEN")


def test_models_that_fit_together_give_the_same_image_as_ever(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo")
    add_with_toolz(repo, "one", "0.12.1")
    add_with_toolz(repo, "two", "0.12.1")
    folder = repo.add_all()
    repo.make(folder, "build-image").succeeded()
    made = repo.make(folder, "build-image", "GROUPS=auto").succeeded()
    assert "is up to date" in made.err
    assert "ROUTE_GROUPS" not in (folder / ".s2i" / "environment").read_text()
    assert not (folder / "requirements.2.txt").exists()


def test_what_a_group_needed_goes_with_the_conflict(tmp_path: Path) -> None:
    repo = toolz_repo(tmp_path / "repo")
    folder = repo.path / "projects" / "sums" / "all"
    repo.make(folder, "create-routes", "GROUPS=auto").succeeded()
    assert (folder / "requirements.2.txt").exists()
    (repo.path / "projects" / "sums" / "two" / "requirements_predict.txt").write_text("toolz==0.12.1\n")
    repo.make(folder, "create-routes", "GROUPS=auto").succeeded()
    assert not (folder / "requirements.2.txt").exists()
    (repo.path / "projects" / "sums" / "two" / "requirements_predict.txt").write_text("toolz==1.0.0\n")
    repo.make(folder, "create-routes", "GROUPS=auto").succeeded()
    repo.make(folder, "clean").succeeded()
    assert not (folder / "requirements.2.txt").exists()


def image_of(repo: Monorepo) -> dict[str, Any]:
    path = repo.path / ".trainyard" / "process" / "images" / repo.container("sums-all") / "image.json"
    return dict(json.loads(path.read_text()))


def versions(repo: Monorepo, image: dict[str, Any]) -> list[list[str]]:
    """Which toolz each environment has."""
    venvs = [image["venv"], *image["more_venvs"]]
    return [
        [path.name for path in (repo.path / ".trainyard" / "process" / venv).glob("lib/*/site-packages/toolz-*")]
        for venv in venvs
    ]
