"""One model that is not as it should be costs its own line; the verbs of the whole monorepo go on with the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from monorepo import Model, Monorepo

BAD: dict[str, Callable[[Model], object]] = {
    "no_name": lambda model: model.replace("Makefile", "MODEL_NAME     := no_name", "MODEL_NAME     := ../x y"),
    "no_routes": lambda model: (model.path / ".s2i/environment").write_text("ROUTES\n"),
    "no_image": lambda model: model.replace("Makefile", model.container, "My Container"),
    "not_utf8": lambda model: (model.path / "Makefile").write_bytes(b"MODEL_NAME := \xff\n"),
    "bytes_in_routes": lambda model: (model.path / ".s2i/environment").write_bytes(b"ROUTES=\xff\n"),
    "half_a_line": lambda model: (model.path / "Makefile").write_text("MODEL_NAME\n"),
    "a_folder": lambda model: ((model.path / ".s2i/environment").unlink(), (model.path / ".s2i/environment").mkdir()),
}


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    """A monorepo with a good model and one of each kind of bad ones."""
    repo = Monorepo(tmp_path_factory.mktemp("spoilt"))
    repo.make(repo.add_model("good"), "build-train").succeeded()
    for name, spoil in BAD.items():
        spoil(repo.add_model(name))
    return repo


def test_the_list_has_a_line_for_each(spoilt: Monorepo) -> None:
    made = spoilt.make(None, "list")
    made.failed(f"{len(BAD)} of {len(BAD) + 1} models cannot be read")
    rows = {line.split()[1]: line for line in made.out.splitlines()[1:]}
    assert rows.keys() == {"good", *BAD}
    assert rows.pop("good").split()[2:] == ["good/predict", "-", "yes", "-"]
    for name, row in rows.items():
        assert f"! {spoilt.path}/projects/sums/{name}/" in row, row


@pytest.mark.slow
def test_other_images_are_built(spoilt: Monorepo) -> None:
    made = spoilt.make(None, "-k", "build-all")
    assert made.status != 0
    assert "Traceback" not in made.out + made.err
    assert "bug in Trainyard" not in made.err
    built = [line.split() for line in spoilt.make(None, "list").out.splitlines()]
    assert ["sums", "good", "good/predict", "-", "yes", "yes"] in built


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["runs", "stop"])
def test_verbs_that_read_no_model_do_not_notice(spoilt: Monorepo, verb: str) -> None:
    spoilt.make(None, verb).succeeded()


def test_cleaning_removes_what_it_can_and_says_what_it_cannot(spoilt: Monorepo) -> None:
    spoilt.make(spoilt.path / "projects/sums/good", "build-train").succeeded()
    spoilt.make(None, "clean").failed("are kept", "Makefile")
    assert not list(Path(spoilt.path).glob(".trainyard/process/images/*/image.json"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["email", "json", "flask", "utils", "models"])
def test_a_project_with_the_name_of_a_module_is_refused(tmp_path: Path, name: str) -> None:
    repo = Monorepo(tmp_path / "repo")
    model = repo.add_model("prices", name)
    (model.path.parent / "__init__.py").touch()
    repo.make(model, "build-predict").failed(f"{model.path.parent}: a project cannot be named {name!r}", "rename")
    assert "cannot be named" in repo.make(None, "list").out
