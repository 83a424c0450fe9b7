"""make build-all builds what changed and nothing else; make affected says what a change touches."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from monorepo import Made, Model, Monorepo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    """Two projects, the first with a merged image; everything is built."""
    repo = Monorepo(tmp_path_factory.mktemp("repo"))
    repo.add_model("one")
    repo.add_model("two")
    repo.add_all()
    repo.add_model("far", "products")
    (repo.path / "projects" / "sums" / "common_utils").mkdir()
    (repo.path / "projects" / "sums" / "common_utils" / "helper.py").write_text("WORD = 'one'\n")
    repo.make(None, "build-all").succeeded()
    yield repo


@pytest.fixture
def one(repo: Monorepo) -> Model:
    path = repo.path / "projects" / "sums" / "one"
    return Model(path, "sums", "one", repo.container("sums-one"))


def built(made: Made) -> set[str]:
    """The images that were built, without the prefix that is this test's."""
    names = re.findall(r"^---> Built \S*?-test-[0-9a-f]+-(\S+)$", made.succeeded().err, re.MULTILINE)
    assert len(names) == len(set(names)), "an image was built twice"
    return set(names)


def edit(path: Path) -> None:
    with path.open("a") as file:
        file.write("# edited\n")


def test_nothing_changed(repo: Monorepo) -> None:
    made = repo.make(None, "build-all").succeeded()
    assert built(made) == set()
    assert "All 8 images are up to date" in made.err


def test_from_another_folder(repo: Monorepo, one: Model, tmp_path: Path) -> None:
    """By the program, which has no folder of its own to start make in."""
    edit(one.path / "train.py")
    program = [str(repo.path / ".venv" / "bin" / "python"), "-m", "trainyard", "build-all", str(repo.path)]
    environment = repo.environment(PYTHONPATH=str(repo.path))
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert built(Made(done.returncode, done.stdout, done.stderr)) >= {"sums-one-train", "sums-all"}
    assert built(repo.make(None, "build-all")) == set()


def test_an_edit_builds_its_model_and_what_merges_it(repo: Monorepo, one: Model) -> None:
    edit(one.path / "predict.py")
    changed = {"sums-one-train", "sums-one-predict", "sums-all", "all"}
    assert built(repo.make(None, "-j2", "build-all")) == changed
    assert built(repo.make(None, "build-all")) == set()


def test_shared_code_is_everybodys(repo: Monorepo) -> None:
    edit(repo.path / "projects" / "sums" / "common_utils" / "helper.py")
    of_project = {f"sums-{model}-{role}" for model in ("one", "two") for role in ("train", "predict")}
    assert built(repo.make(None, "build-all")) == of_project | {"sums-all", "all"}
    edit(repo.path / "common_utils" / "__init__.py")
    assert len(built(repo.make(None, "build-all"))) == 8


def test_data_and_binaries_are_in_no_image(repo: Monorepo, one: Model) -> None:
    edit(one.path.parent / "data" / "numbers.csv")
    repo.make(one, "train").succeeded()
    assert built(repo.make(None, "build-all")) == set()


def test_one_build_alone_looks_first_too(repo: Monorepo, one: Model) -> None:
    made = repo.make(one, "build-predict").succeeded()
    assert built(made) == set()
    assert f"{one.container}-predict is up to date" in made.err
    assert built(repo.make(one, "build-predict", "FORCE=1")) == {"sums-one-predict"}


def test_an_image_that_was_removed_is_built_again(repo: Monorepo, one: Model) -> None:
    repo.make(one, "clean").succeeded()
    assert built(repo.make(None, "build-all")) == {"sums-one-train", "sums-one-predict"}


def test_the_merged_folder_of_a_project_builds_its_members(repo: Monorepo, one: Model) -> None:
    edit(one.path / "train.py")
    edit(repo.path / "projects" / "products" / "far" / "predict.py")
    assert built(repo.make(repo.path / "projects" / "sums" / "all", "build-all")) == {
        "sums-one-train", "sums-one-predict", "sums-all",
    }  # fmt: skip
    assert built(repo.make(None, "build-all")) == {"products-far-train", "products-far-predict", "all"}


def test_what_would_be_built_is_shown_and_not_built(repo: Monorepo, one: Model) -> None:
    edit(one.path / "predict.py")
    for _ in range(2):
        made = repo.make(None, "-n", "build-all").succeeded()
        assert f"build {one.container}-predict" in made.out
        assert "far" not in made.out
        assert "Built" not in made.err
    assert "sums-one-predict" in built(repo.make(None, "build-all"))


def test_a_model_with_a_mistake_does_not_hold_up_the_others(repo: Monorepo, one: Model) -> None:
    two = repo.path / "projects" / "sums" / "two"
    good = (one.path / "predict.py").read_text()
    try:
        (one.path / "predict.py").write_text("import nowhere\n")
        edit(two / "predict.py")
        made = repo.make(None, "-k", "build-all")
        assert made.status != 0
        assert "sums/one" in made.err + made.out
        assert "No module named 'nowhere'" in made.err
        assert f"Built {repo.container('sums-two')}-predict" in made.err
    finally:
        (one.path / "predict.py").write_text(good)
    repo.make(None, "build-all").succeeded()


# -- affected ---------------------------------------------------------------------------------------------------


AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@example.org")


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    """A monorepo in git, with one commit."""
    repo = Monorepo(tmp_path_factory.mktemp("git"))
    repo.add_model("one")
    repo.add_model("two")
    repo.add_all()
    repo.add_model("far", "products")
    git(repo, "init", "--quiet")
    git(repo, "add", ".")
    git(repo, *AUTHOR, "commit", "--quiet", "-m", "first")
    return repo


def git(repo: Monorepo, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(repo.path), *arguments], check=True, capture_output=True)


@pytest.fixture
def clean(commits: Monorepo) -> Iterator[Monorepo]:
    yield commits
    git(commits, "checkout", "--quiet", ".")
    git(commits, "clean", "--quiet", "-fd")


@pytest.mark.parametrize(
    ("path", "models", "merged"),
    [
        ("projects/sums/one/predict.py", ["sums/one"], ["all", "projects/sums/all"]),
        ("projects/sums/one/requirements_train.txt", ["sums/one"], ["all", "projects/sums/all"]),
        ("projects/sums/one/Makefile", ["sums/one"], ["all", "projects/sums/all"]),
        ("projects/sums/data/numbers.csv", ["sums/one", "sums/two"], ["all", "projects/sums/all"]),
        ("projects/sums/common_utils/new.py", ["sums/one", "sums/two"], ["all", "projects/sums/all"]),
        ("utils/__init__.py", ["products/far", "sums/one", "sums/two"], ["all", "projects/sums/all"]),
        ("mk/model.mk", ["products/far", "sums/one", "sums/two"], ["all", "projects/sums/all"]),
        ("projects/sums/all/Makefile", [], ["projects/sums/all"]),
        ("projects/sums/models/one.pkl", [], []),
        ("projects/sums/one/.env", [], []),
        ("projects/sums/one/models/one.pkl", [], []),
        ("projects/sums/README.md", [], []),
        ("notes/todo.txt", [], []),
    ],
)
def test_a_change_touches(clean: Monorepo, path: str, models: list[str], merged: list[str]) -> None:
    target = clean.path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    edit(target)
    answer = json.loads(clean.make(None, "affected", "SINCE=HEAD").succeeded().out)
    assert (answer["models"], answer["all"]) == (models, merged)
    assert answer["projects"] == sorted({model.partition("/")[0] for model in models})
    assert all(answer["because"][name] == [path] for name in [*models, *merged])


def test_a_model_that_is_gone_touches_what_merged_it(clean: Monorepo) -> None:
    shutil.rmtree(clean.path / "projects" / "sums" / "two")
    answer = json.loads(clean.make(None, "affected", "SINCE=HEAD").succeeded().out)
    assert (answer["models"], answer["all"]) == ([], ["all", "projects/sums/all"])


def test_what_requirements_name_is_of_the_model(clean: Monorepo) -> None:
    project = clean.path / "projects" / "sums"
    (project / "shared").mkdir()
    texts = {
        "one/requirements_train.txt": "-r ../common.txt\n", "two/requirements_predict.txt": "-e ../shared[fast]\n",
        "common.txt": "--constraint=limits.txt\n", "limits.txt": "six<2\n", "notes.txt": "",
        "shared/pyproject.toml": "",
    }  # fmt: skip
    for name, text in texts.items():
        (project / name).write_text(text)
    git(clean, "add", ".")
    git(clean, *AUTHOR, "commit", "--quiet", "-m", "requirements")
    for path in ("limits.txt", "shared/pyproject.toml", "notes.txt"):
        edit(project / path)
    answer = json.loads(clean.make(None, "affected", "SINCE=HEAD").succeeded().out)
    git(clean, "reset", "--quiet", "--hard", "HEAD~1")
    because = {name: answer["because"][name] for name in answer["models"]}
    named = {"sums/one": ["projects/sums/limits.txt"], "sums/two": ["projects/sums/shared/pyproject.toml"]}
    assert because == named


def test_what_links_lead_to_is_of_the_model(clean: Monorepo) -> None:
    lists = clean.path / "lists"
    lists.mkdir()
    (lists / "words.txt").touch()
    (lists / "short.txt").symlink_to("words.txt")
    (clean.path / "projects" / "sums" / "one" / "words.txt").symlink_to("../../../lists/short.txt")
    git(clean, "add", ".")
    git(clean, *AUTHOR, "commit", "--quiet", "-m", "links")
    edit(lists / "words.txt")
    answer = json.loads(clean.make(None, "affected", "SINCE=HEAD").succeeded().out)
    git(clean, "reset", "--quiet", "--hard", "HEAD~1")
    assert (answer["models"], answer["because"]["sums/one"]) == (["sums/one"], ["lists/words.txt"])


def test_a_model_that_is_a_repository_of_its_own(clean: Monorepo) -> None:
    """Git names it by its folder: a submodule that moved to another commit."""
    model = clean.path / "projects" / "sums" / "two"
    for arguments in (("init", "--quiet"), ("add", "."), (*AUTHOR, "commit", "--quiet", "-m", "own")):
        subprocess.run(["git", "-C", str(model), *arguments], check=True, capture_output=True)
    git(clean, "rm", "--quiet", "-r", "--cached", "projects/sums/two")
    git(clean, "add", "projects/sums/two")
    git(clean, *AUTHOR, "commit", "--quiet", "-m", "submodule")
    edit(model / "predict.py")
    answer = json.loads(clean.make(None, "affected", "SINCE=HEAD").succeeded().out)
    shutil.rmtree(model / ".git")
    git(clean, "reset", "--quiet", "--hard", "HEAD~1")
    assert (answer["models"], answer["because"]["sums/two"]) == (["sums/two"], ["projects/sums/two"])


def test_a_ref_that_git_does_not_know(commits: Monorepo) -> None:
    commits.make(None, "affected").failed("SINCE is missing")
    commits.make(None, "affected", "SINCE=nowhere").failed("git diff", "nowhere")
    commits.make(None, "affected", "SINCE=--output=x").failed("not a git ref")
    made = commits.make(None, "affected", "SINCE=HEAD", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    made.failed("dubious ownership", "belongs to another user", f"safe.directory {commits.path}")


def test_the_command_line_is_compiled_once_also_where_bytecode_is_not_wanted(repo: Monorepo) -> None:
    """CI images forbid it for the sake of their layers; it lies in .venv, and an edit does not wait for a compiler."""
    folder = (repo.path / ".venv").resolve() / "bytecode"
    for path in folder.rglob("trainyard/host/verbs/affected.*.pyc"):
        path.unlink()
    repo.make(None, "affected", "SINCE=HEAD", PYTHONDONTWRITEBYTECODE="1")  # outside git: it is imported, and refuses
    assert list(folder.rglob("trainyard/host/verbs/affected.*.pyc"))
    assert not [path for path in repo.path.rglob("__pycache__") if not {".venv", ".trainyard"} & set(path.parts)]
