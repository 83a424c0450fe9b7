"""make new-project and make new-model: what they write trains, serves and answers at once, whatever the table has."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flats import Target, by_size, number, of_three, write_table
from monorepo import Monorepo, ask

from trainyard.host.monorepo.model_dir import read_variables
from trainyard.host.scaffold.new_model import FRAMEWORKS

NIGHTLY = pytest.mark.nightly
LARGE = {"pytorch": "5 GB of packages from PyPI", "keras": "TensorFlow, of 300 MB packed"}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    return Monorepo(tmp_path_factory.mktemp("new") / "repo")


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(target: Target, name: str = "flats.csv", separator: str = ",") -> Path:
        return write_table(tmp_path / name, target, separator)

    return write


def made(repo: Monorepo, name: str, dataset: Path, *arguments: str) -> Path:
    """The folder of the new model, after it was written."""
    project = f"p_{name}"
    repo.make(None, "new-model", f"DATASET={dataset}", f"PROJECT={project}", f"NAME={name}", *arguments).succeeded()
    return repo.path / "projects" / project / name


def serves(repo: Monorepo, folder: Path) -> dict[str, object]:
    """Train, serve, post the sample; the answer."""
    repo.make(folder, "check").succeeded()
    repo.make(folder, "train").succeeded()
    route = f"{read_variables(folder / 'Makefile')['MODEL_NAME'].text}/predict"
    with repo.serving(folder) as port:
        repo.make(folder, "test-endpoint", f"PORT={port}").succeeded()
        status, text = ask(port, route, (folder / "test" / "test_instances.json").read_bytes())
    assert status == 200, text
    answer: dict[str, object] = json.loads(text)["payload"]
    return answer


def test_what_becomes_of_each_column_is_shown_and_nothing_written_with_n(
    repo: Monorepo, table: Callable[..., Path]
) -> None:
    out = repo.make(None, "-n", "new-model", f"DATASET={table(by_size)}", "TARGET=wanted").succeeded().out
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    assert "left out" in lines["id"]
    assert "left out: it has one value" in lines["country"]
    assert "missing" in lines["größe"]
    assert "date" in lines["since"]
    assert "text" in lines["note"]
    assert "300 rows; wanted is to be predicted (classification of 2 classes)" in out
    assert "would write projects/flats/linear/train.py" in out
    assert not (repo.path / "projects" / "flats").exists()


@pytest.mark.slow
def test_a_new_model_trains_and_answers(repo: Monorepo, table: Callable[..., Path]) -> None:
    folder = made(repo, "first", table(by_size, "my flats.csv", ";"), "TARGET=wanted")
    assert (folder.parent / "data" / "my_flats.csv").is_file()
    assert (folder / "requirements_train.lock").is_file()
    assert (folder / "requirements_predict.lock").is_file()
    answer = serves(repo, folder)
    assert answer["labels"] == ["large", "small"]
    metrics = json.loads((folder.parent / "models" / "p_first_first.json").read_text())["metrics"]
    assert metrics["accuracy"] > 0.85


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framework", "target"),
    [
        pytest.param("scikit-learn FAMILY=linear", number, marks=NIGHTLY),
        pytest.param("scikit-learn FAMILY=forest", of_three, marks=NIGHTLY),
        ("scikit-learn FAMILY=boosting", number), ("xgboost", of_three), ("catboost", number),
        pytest.param("lightgbm", by_size, marks=NIGHTLY),
        ("lightgbm SERIALIZATION=native", by_size),
        ("pytorch", of_three), ("pytorch", number), ("keras", of_three), ("keras", number),
        pytest.param("plain", of_three, marks=NIGHTLY), ("plain", number),
    ],
)  # fmt: skip
def test_each_framework_trains_and_answers(
    repo: Monorepo,
    table: Callable[..., Path],
    framework: str,
    target: Callable[..., object],
    request: pytest.FixtureRequest,
) -> None:
    if framework in LARGE and not os.environ.get("TRAINYARD_TEST_NETS"):
        pytest.skip(f"{framework} brings {LARGE[framework]}: TRAINYARD_TEST_NETS=1 runs this")
    name = f"{framework.replace('scikit-learn FAMILY=', '').replace(' SERIALIZATION=', '_')}_{target.__name__}"
    words = f"FRAMEWORK={framework}".split()
    folder = made(repo, name, table(target), "TARGET=wanted", *words)
    answer = serves(repo, folder)
    assert len(answer["predictions"]) == 3  # type: ignore[arg-type]
    if target is number:
        assert all(isinstance(value, float) for value in answer["predictions"])  # type: ignore[attr-defined]
    written = {path.name.partition(".")[2] for path in (folder.parent / "models").glob(f"p_{name}_*")}
    assert ("pkl" in written) == ("native" not in framework)
    if framework in ("xgboost", "lightgbm SERIALIZATION=native", *LARGE):
        repo.make(folder, "tune", "TRIALS=2").succeeded()  # its config.yaml is one that can be tuned


@pytest.mark.slow
@pytest.mark.parametrize("framework", LARGE)
def test_a_net_is_written_and_its_predict_image_needs_no_library(
    repo: Monorepo, table: Callable[..., Path], framework: str
) -> None:
    folder = made(repo, f"written_{framework}", table(by_size), "TARGET=wanted", f"FRAMEWORK={framework}")
    repo.make(folder, "check").succeeded()
    assert "def layers(" in (folder / "model.py").read_text()
    library = {"pytorch": "torch==", "keras": "tensorflow"}[framework]
    assert library in (folder / "requirements_train.lock").read_text()
    served = (folder / "requirements_predict.lock").read_text()
    assert "onnxruntime==" in served
    assert library not in served
    assert "scikit-learn" not in served


def test_every_framework_is_tried() -> None:
    """In every run of CI: those of the nightly ones do not count."""
    (given,) = [mark for mark in test_each_framework_trains_and_answers.pytestmark if mark.name == "parametrize"]
    tried = {one[0].split()[0] for one in given.args[1] if NIGHTLY not in getattr(one, "marks", ())}
    assert tried == set(FRAMEWORKS)


@pytest.mark.slow
def test_a_parquet_file_with_a_thousand_categories(repo: Monorepo, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    codes = [f"sku {number % 1000}" for number in range(2000)]
    columns = {"code": codes, "size": [number % 17 / 2 for number in range(2000)], "y": [n % 3 for n in range(2000)]}
    parquet.write_table(pa.table(columns), tmp_path / "skus.parquet")
    folder = made(repo, "skus", tmp_path / "skus.parquet")
    assert "pyarrow" in (folder / "requirements_train.txt").read_text()
    assert len(serves(repo, folder)["predictions"]) == 3  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_column_may_be_called_anything(repo: Monorepo, table: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    gone = tmp_path / "gone"
    names = ['a"b', "c\\d", "{{ e }}", "'''", '"""', f"$(shell touch {gone})", "# no", "é\u202e"]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *([number % 7 + place for place in range(8)] for number in range(30))])
    folder = made(repo, "odd", path, f"TARGET=$(shell touch {gone})")
    assert not gone.exists()
    assert "'{{ e }}'" in (folder / "schema.py").read_text()
    repo.make(folder, "check").succeeded()
    compile((folder / "schema.py").read_text(), "schema.py", "exec")


BAD = [
    (["PROJECT=numpy"], "PROJECT=numpy"),
    (["PROJECT=cog"], "PROJECT=cog"),
    (["PROJECT=json"], "a module of Python's own library"),
    (["PROJECT=../x"], "PROJECT=../x"),
    (["PROJECT=class"], "a word of Python's own"),
    (["PROJECT=" + "x" * 200], "longer than 40"),
    (["NAME=a b"], "NAME=a b"),
    (["NAME=it's"], "NAME=it's"),
    (["NAME=größe"], "letters of English"),
    (["NAME=data"], "NAME=data"),
    (["NAME=ALL"], "for other things"),
    (["TARGET=price"], "no column 'price'"),
    (["FRAMEWORK=prolog"], "FRAMEWORK=prolog: no such framework"),
    (["FAMILY=royal"], "FAMILY=royal"),
    (["FRAMEWORK=xgboost", "SERIALIZATION=dill"], "say one of onnx, native"),
    (["SERIALIZATION=native"], "leave SERIALIZATION out"),
    (["TASK=regression"], "holds no numbers"),
    (["DATASET=nothing.csv"], "nothing.csv"),
    (["DATASET=/dev/zero"], "neither a file nor a folder"),
    (["DATASETT=a"], "unknown variable DATASETT"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_what_cannot_be_made_is_one_line_and_leaves_nothing(
    repo: Monorepo, table: Callable[..., Path], arguments: list[str], says: str
) -> None:
    before = sorted((repo.path / "projects").glob("*"))
    given = {"DATASET": str(table(by_size)), "PROJECT": "bad", "TARGET": "wanted"}
    given |= {part.partition("=")[0]: part.partition("=")[2] for part in arguments}
    repo.make(None, "new-model", *(f"{name}={value}" for name, value in given.items())).failed(says)
    assert sorted((repo.path / "projects").glob("*")) == before


def test_a_table_of_the_project_may_be_named_as_the_project_sees_it(repo: Monorepo, table: Callable[..., Path]) -> None:
    repo.make(None, "new-project", "PROJECT=seen").succeeded()
    table(number).rename(repo.path / "projects" / "seen" / "data" / "x.csv")
    given = ("PROJECT=seen", "NAME=n", "FRAMEWORK=sklearn", "DATASET=data/x.csv", "TARGET=wanted")
    repo.make(None, "new-model", *given).succeeded()
    assert "DATASET_NAME   := data/x.csv\n" in (repo.path / "projects" / "seen" / "n" / "Makefile").read_text()


@pytest.mark.slow
def test_a_model_that_is_there_stays(repo: Monorepo, table: Callable[..., Path]) -> None:
    folder = made(repo, "there", table(by_size), "TARGET=wanted", "FRAMEWORK=plain")
    (folder / "train.py").write_text("mine\n")
    repo.make(None, "new-model", f"DATASET={table(by_size)}", "PROJECT=p_there", "NAME=There").failed("there already")
    assert (folder / "train.py").read_text() == "mine\n"


@pytest.mark.slow
def test_a_broken_model_is_in_nobodys_way(repo: Monorepo, table: Callable[..., Path]) -> None:
    folder = made(repo, "broken", table(by_size), "TARGET=wanted", "FRAMEWORK=plain")
    for text in ("MODEL_NAME := $(shell x)\n", "CONTAINER_NAME := A-b\n"):
        (folder / "Makefile").write_text(text)
        arguments = f"DATASET={table(by_size)}", "TARGET=wanted", "PROJECT=p_whole"
        repo.make(None, "-n", "new-model", *arguments).succeeded()
    (folder / "Makefile").write_text("CONTAINER_NAME := p-whole-linear\n")
    repo.make(None, "-n", "new-model", *arguments).failed(
        "CONTAINER_NAME 'p-whole-linear'", "p_broken/broken/Makefile:1"
    )
    shutil.rmtree(folder)


@pytest.mark.slow
def test_of_several_at_once_one_writes_the_model(repo: Monorepo, table: Callable[..., Path]) -> None:
    arguments = [f"DATASET={table(by_size)}", "TARGET=wanted", "PROJECT=race", "NAME=same"]
    tries = [repo.spawn(None, "new-model", *arguments, f"FRAMEWORK={name}") for name in ("plain", "xgboost", "plain")]
    said = [process.communicate(timeout=100)[0] for process in tries]
    assert [process.returncode for process in tries].count(0) == 1, said
    assert sum("there already" in text for text in said) == 2, said


def test_a_project_before_its_models(repo: Monorepo) -> None:
    repo.make(None, "-n", "new-project", "PROJECT=fresh").succeeded()
    assert not (repo.path / "projects" / "fresh").exists()
    repo.make(None, "new-project", "PROJECT=fresh").succeeded()
    assert (repo.path / "projects" / "fresh" / "data").is_dir()
    repo.make(None, "new-project", "PROJECT=fresh").failed("there already", "make new-model PROJECT=fresh")
    repo.make(None, "new-project", "PROJECT=Fresh").failed("there is a project fresh")
    repo.make(None, "new-project").failed("PROJECT is not given")
    repo.make(None, "new-project", "PROJECT=torch").failed("a Python package")


@pytest.mark.slow
def test_a_signal_amid_writing_leaves_nothing(repo: Monorepo, table: Callable[..., Path], tmp_path: Path) -> None:
    """The signal comes when the third file is copied: a module that Python imports by itself sends it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, shutil, signal\ncopy, calls = shutil.copy, []\n"
        "def one(*a, **k):\n"
        "    calls.append(a)\n"
        f"    os.kill(os.getpid(), signal.{signal.SIGTERM.name}) if len(calls) == 3 else None\n"
        "    return copy(*a, **k)\n"
        "shutil.copy = one\n"
    )
    python = repo.environment() | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).resolve().parents[2]}"}
    command = [sys.executable, "-m", "trainyard", "new-model", str(repo.path)]
    options = ["--dataset", str(table(by_size)), "--project", "killed", "--target", "wanted"]
    done = subprocess.run([*command, *options], cwd=repo.path, env=python, capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert not (repo.path / "projects" / "killed").exists()
