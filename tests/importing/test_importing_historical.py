"""make import of monorepos in the historical layout: all that an owner would edit by hand is done, and shown."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from foreign import HISTORICAL, copy_of
from monorepo import Monorepo, ask

from trainyard.errors import TrainyardError
from trainyard.host.operations.session import open_session
from trainyard.host.scaffold.importing.importer import import_from
from trainyard.host.support.reporter import SILENT


@pytest.fixture(scope="module")
def imported(repo: Monorepo) -> Monorepo:
    """With the whole monorepo in it, after a dry run."""
    before = files(repo.path)
    would = repo.make(None, "import", "-n", f"FROM={HISTORICAL}").succeeded()
    assert files(repo.path) == before
    made = repo.make(None, "import", f"FROM={HISTORICAL}").succeeded()
    same = would.out.partition("\n")[2] == made.out  # the first line is what make would call
    assert same
    return repo


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if ".venv" not in path.parts}


def test_every_model_has_a_makefile_of_ours(imported: Monorepo) -> None:
    found = sorted(imported.path.glob("projects/*/*/Makefile"))
    assert len(found) == 8 + 2  # models, and two all/
    for path in found:
        lines = [line for line in path.read_text().splitlines() if line]
        assert len(lines) <= 4 and re.fullmatch(r"include \.\./\.\./\.\./mk/(model|all)\.mk", lines[-1]), path


def test_only_what_has_to_be_is_changed(imported: Monorepo) -> None:
    for path in HISTORICAL.rglob("*.py"):
        name = path.relative_to(HISTORICAL)
        if name.parts[0] == "utils":
            assert (imported.path / name).exists()
        elif name.parts[1] != "all" and name != Path("tutorial/flowers/predict.py"):
            assert (imported.path / "projects" / name).read_bytes() == path.read_bytes(), name
    assert "from tutorial.flowers.train import" in (imported.path / "projects/tutorial/flowers/predict.py").read_text()
    shared = "utils/encode_decode.py"
    assert (imported.path / shared).read_bytes() == (HISTORICAL / shared).read_bytes()
    assert not list(imported.path.glob("projects/*/build.sh"))


def test_check_finds_nothing_but_what_the_report_has(imported: Monorepo) -> None:
    errors = re.findall(r"^(\S+): error: (.*)$", imported.make(None, "check").out, re.MULTILINE)
    assert errors == [
        ("projects/tutorial/flowers/test/test_instances.json", "no such file: write one request body there")
    ]
    assert "no such file: write one request body" in (imported.path / "projects/tutorial/IMPORTED.md").read_text()


@pytest.mark.slow
def test_a_model_that_uses_shared_code_trains_and_serves(imported: Monorepo) -> None:
    path = imported.path / "projects/lending/logisticRegression"
    imported.make(path, "train").succeeded()
    with imported.serving(path) as port:
        imported.make(path, "test-endpoint", f"PORT={port}").succeeded()


@pytest.mark.slow
def test_a_model_at_the_top_of_its_sources_serves_and_says_that_nothing_trains_it(imported: Monorepo) -> None:
    path = imported.path / "projects/tutorial/flowers"
    assert "TRAIN_MODULE=tutorial.flowers.untrained" in (path / ".s2i/environment").read_text()
    assert "nothing trains tutorial.flowers" in imported.make(path, "train").failed("write train(msg)")
    with imported.serving(path) as port:
        answer = ask(port, "flower_svc/predict", b'{"payload": {"instances": [[1.5, 0.3], [6.1, 2.4]]}}')
        assert answer == (200, '{"payload":{"predictions":["setosa","virginica"]}}')


@pytest.mark.slow
def test_again_everything_gets_names_of_its_own(imported: Monorepo, tmp_path: Path) -> None:
    """Projects, images and routes that are there already: imports, wiring and Makefiles follow the new names."""
    source = copy_of("historical", tmp_path / "again")
    for name in ("lending", "tutorial", "all"):
        shutil.rmtree(source / name)
    (source / "utils/encode_decode.py").write_text("OTHER = 1\n")
    uses = source / "shopping/linear/predict.py"
    uses.write_text("from utils.encode_decode import OTHER\n" + uses.read_text())
    imported.make(None, "import", f"FROM={source}").succeeded()
    project = imported.path / "projects/shopping_2"
    report = (project / "IMPORTED.md").read_text()
    for line in (
        "project shopping is shopping_2 here: that name is taken",
        "CONTAINER_NAME trainyard-test-historical-linear is shopping-2-linear here: that name is taken",
        "route price_linear/predict is shopping_2/price_linear/predict here: that name is taken",
        "utils/encode_decode.py is projects/shopping_2/common_utils/encode_decode.py",
    ):
        assert line in report
    assert (
        (project / "linear/predict.py")
        .read_text()
        .startswith("from shopping_2.common_utils.encode_decode import OTHER\n")
    )
    assert "from shopping_2.common_utils.train_utils import" in (project / "linear/train.py").read_text()
    assert "OTHER" not in (imported.path / "utils/encode_decode.py").read_text()
    errors = [line for line in imported.make(None, "check").out.splitlines() if ": error: " in line]
    assert not [line for line in errors if line.startswith("projects/shopping_2")]
    imported.make(project / "middle", "train").succeeded()
    with imported.serving(project / "middle") as port:
        status, text = ask(port, "shopping_2/price_middle/predict", b'{"payload": {"instances": [[2, 1]]}}')
        assert (status, json.loads(text)["payload"]["predictions"]) == (200, [20.9])


@pytest.mark.slow
def test_a_monorepo_of_27_models_in_7_projects(tmp_path: Path) -> None:
    """As large as the public one that owners have: all of it comes with one command, and passes make check."""
    source = tmp_path / "reference"
    source.mkdir()
    shutil.copytree(HISTORICAL / "utils", source / "utils")
    counts = dict(zip((f"usecase_{letter}" for letter in "abcdefg"), (4, 4, 4, 4, 4, 4, 3), strict=True))
    for project, count in counts.items():
        make_project(source / project, count)
    (source / "all").mkdir()
    (source / "all/Makefile").write_text(f"MODEL_DIRS := {' '.join(counts)}\nCONTAINER_NAME = 'c12e/model-server'\n")
    repo = Monorepo(tmp_path / "repo")
    shutil.rmtree(repo.path / "all")
    made = repo.make(None, "import", f"FROM={source}").succeeded()
    changed = re.findall(r"^--- ", made.out, re.MULTILINE)
    assert len(changed) >= 27 + 7 + 1  # each Makefile at least
    assert ": error: " not in repo.make(None, "check").succeeded().out
    assert len(repo.make(None, "list").succeeded().out.splitlines()) == 1 + 27
    images = re.findall(r"^CONTAINER_NAME := (.*)$", "\n".join(
        path.read_text() for path in repo.path.glob("projects/*/*/Makefile")), re.MULTILINE)  # fmt: skip
    assert len(images) == len(set(images)) == 27 + 7
    assert "CONTAINER_NAME := c12e/model-server" in (repo.path / "all/Makefile").read_text()


def make_project(folder: Path, count: int) -> None:
    """A project like lending, under another name; its images have the names of those of other projects."""
    old = HISTORICAL / "lending"
    shutil.copytree(old, folder)
    names = ("logisticRegression", "supportVectorMachine", "gradientBoosting", "catBoost")
    for name in names[count:]:
        shutil.rmtree(folder / name)
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".py", ""):
            path.write_text(path.read_text().replace("lending.", f"{folder.name}."))
    for path in folder.glob("*/Makefile"):
        path.write_text(
            path.read_text().replace("MODEL_DIRS := " + " ".join(names), f"MODEL_DIRS := {' '.join(names[:count])}")
        )


def test_a_monorepo_in_a_folder_that_is_a_package_itself(tmp_path: Path) -> None:
    """As the public one is today: `from modelServer.utils...` two folders below the top of the repository."""
    top = copy_of("historical", tmp_path / "source" / "package" / "modelServer")
    for name in ("lending", "all"):
        shutil.rmtree(top / name)
    shutil.move(top / "tutorial", tmp_path / "source" / "Tutorial")
    (tmp_path / "source" / "LICENSE.md").write_text("theirs\n")
    for path in top.rglob("*.py"):
        path.write_text(re.sub(r"from (utils|shopping)\b", r"from modelServer.\1", path.read_text()))
    repo = Monorepo(tmp_path / "repo")
    shutil.rmtree(repo.path / "utils")
    repo.make(None, "import", f"FROM={tmp_path / 'source'}").succeeded()
    linear = repo.path / "projects/shopping/linear"
    assert "from shopping.common_utils.train_utils import read_rows" in (linear / "train.py").read_text()
    assert "from trainyard.models.local_server import assemble_server" in (linear / "predict.py").read_text()
    assert not (repo.path / "utils/local_server.py").exists()
    assert (repo.path / "projects/shopping/LICENSE.md").read_text() == "theirs\n"
    assert (repo.path / "projects/Tutorial/flowers/predict.py").exists()
    assert not [path for path in repo.path.glob("projects/**/*.py") if "modelServer" in path.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "model", "routes", "lacks"),
    [
        ("shopping", "shopping/linear", "price_linear/predict:shopping.linear.predict:predict_price_linear", []),
        (
            "shopping/linear", "shopping/linear", "price_linear/predict:shopping.linear.predict:predict_price_linear",
            ["train.py:6: imports shopping.common_utils.train_utils, which the source has not"],
        ),
        ("tutorial/flowers", "flowers/model", "flower_svc/predict:flowers.model.predict:predict_flower", []),
    ],
)  # fmt: skip
def test_a_project_or_a_model_alone(tmp_path: Path, folder: str, model: str, routes: str, lacks: list[str]) -> None:
    """It keeps the package that its code imports it by; what lay around it is named."""
    repo = Monorepo(tmp_path)
    unit = import_from(open_session(repo.path, SILENT), str(HISTORICAL / folder), "").units[0]
    path = repo.path / "projects" / model
    assert f"ROUTES={routes}\n" in (path / ".s2i/environment").read_text()
    assert [one for one in unit.to_do if "the source has not" in one] == [
        f"{one}: import the folder above it" for one in lacks
    ]


def test_a_project_comes_under_another_name(tmp_path: Path) -> None:
    repo = Monorepo(tmp_path)
    import_from(open_session(repo.path, SILENT), str(HISTORICAL / "shopping"), "stores")
    assert "from stores.common_utils.train_utils" in (repo.path / "projects/stores/linear/train.py").read_text()
    with pytest.raises(TrainyardError, match="there is such a project"):
        import_from(open_session(repo.path, SILENT), str(HISTORICAL / "shopping"), "stores")
    with pytest.raises(TrainyardError, match="has 3 projects"):
        import_from(open_session(repo.path, SILENT), str(HISTORICAL), "others")
