"""What a rename edits in texts: what names the model, and nothing that is equal by chance."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract.renamed_models import renamed_path, renamed_record
from trainyard.errors import TrainyardError
from trainyard.host.monorepo.repository import Repository
from trainyard.host.scaffold.model_places import Place, called_after, check_new, place_of
from trainyard.host.scaffold.moving.source_edits import (
    Names,
    edited_answers,
    edited_environment,
    edited_experiment,
    edited_makefile,
    edited_members,
    edited_page,
    edited_python,
    mentions,
)

NAMES = Names(Place("rents", "linear"), Place("houses", "ridge"), "linear", "ridge")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from rents.linear import x\n", "from houses.ridge import x\n"),
        (
            "import rents.linear.train\nrents.linear.train.go()\n",
            "import houses.ridge.train\nhouses.ridge.train.go()\n",
        ),
        ("from rents.linear_2 import x\n", None),
        ("import other.rents.linear\n", None),
        ("model = load_model(served_model_name('linear'))\n", "model = load_model(served_model_name('ridge'))\n"),
        ('NAME = os.getenv("MODEL_NAME", "linear")\n', 'NAME = os.getenv("MODEL_NAME", "ridge")\n'),
        ('MODEL_NAME = "linear"\n', 'MODEL_NAME = "ridge"\n'),
        ('svm = SVC(kernel="linear")\nkinds = ["linear"]\n', None),
        ("é = 1; predictor('linear')\n", "é = 1; predictor('ridge')\n"),
        ("print 'rents.linear'\n", None),
        ("def f(:\n", None),
        ("'''never ends", None),
        ("# rents.linear\n", None),
    ],
)
def test_a_source(text: str, wanted: str | None) -> None:
    assert edited_python(text, NAMES) == (text if wanted is None else wanted)


@given(st.text(max_size=200))
def test_a_source_without_the_names_stays(text: str) -> None:
    assert edited_python(text, Names(Place("qqq", "zzz"), Place("a", "b"), "qzq", "b")) == text


@given(
    st.lists(st.sampled_from(["rents", "linear", ".", "import ", "\n", "'linear'", "(", ")", "x", " = ", "load_model"]))
)
def test_a_source_that_python_can_read_stays_one(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return
    ast.parse(edited_python(text, NAMES))


def test_a_makefile() -> None:
    text = "MODEL_NAME := linear # the old one\nCONTAINER_NAME ?= 'linear'\nDATASET_NAME = linear.csv\n\tlinear\n"
    edited = edited_makefile(text, {"MODEL_NAME": ("linear", "ridge"), "CONTAINER_NAME": ("linear", "ridge-x")})
    assert (
        edited
        == "MODEL_NAME := ridge # the old one\nCONTAINER_NAME ?= 'ridge-x'\nDATASET_NAME = linear.csv\n\tlinear\n"
    )
    assert edited_makefile(edited, {"MODEL_NAME": ("ridge", "ridge_2")}).startswith("MODEL_NAME := ridge_2 #")


def test_a_list_of_members() -> None:
    text = "MODEL_DIRS := linear  linear_2 # both\nCONTAINER_NAME := linear\n"
    assert edited_members(text, "MODEL_DIRS", "linear", "x").startswith("MODEL_DIRS := x linear_2  # both\n")
    assert edited_members(text, "MODEL_DIRS", "linear", "").startswith("MODEL_DIRS := linear_2")
    assert edited_members(text, "MODEL_DIRS", "absent", "x") == text


def test_wiring_keeps_routes_and_moves_modules_and_files() -> None:
    text = "# rents.linear\nROUTES=linear/predict:rents.linear.p:f,b:rents.linear_2.p:g\nMODEL_FILES=linear.ubj,tok\n"
    assert edited_environment(text, NAMES) == (
        "# rents.linear\nROUTES=linear/predict:houses.ridge.p:f,b:rents.linear_2.p:g\nMODEL_FILES=ridge.ubj,tok\n"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("MODEL: rents/linear # x\n", "MODEL: houses/ridge # x\n"),
        ('{\n  "MODEL": "rents/linear",\n', '{\n  "MODEL": "houses/ridge",\n'),
        ("model: rents/linear_2\n", "model: rents/linear_2\n"),
    ],
)
def test_an_experiment_file(text: str, wanted: str) -> None:
    assert edited_experiment(text, NAMES) == wanted


def test_answers_and_pages_of_a_generated_model() -> None:
    answers = {"name": ("linear", "no"), "project": ("rents", "houses")}
    text = "# by us\n_src_path: x\nname: linear\nproject: 'rents'\ntask: linear\n"
    assert edited_answers(text, answers) == "# by us\n_src_path: x\nname: 'no'\nproject: houses\ntask: linear\n"
    page = "make train MODEL=rents/linear\n`projects/rents/linear/train.py`, rents/linear_2, my/rents/linear\n"
    wanted = "make train MODEL=houses/ridge\n`projects/houses/ridge/train.py`, rents/linear_2, my/rents/linear\n"
    assert edited_page(page, NAMES) == wanted


def test_what_is_named_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "docs.md").write_text("see\nmake train MODEL=rents/linear\nrents/linear_2\nnotrents/linear\n")
    (tmp_path / "other.py").write_text("from rents import linear\nimport rents.linear.train\n")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x.md").write_text("rents/linear\n")
    assert [line.rpartition(": ")[0] for line in mentions(tmp_path, NAMES, ())] == [
        "docs.md:2",
        "other.py:1",
        "other.py:2",
    ]
    assert not [*mentions(tmp_path, NAMES, (tmp_path / "docs.md", tmp_path / "other.py"))]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("linear", "ridge"), ("rents-linear", "houses-ridge"), ("rents_linear", "houses_ridge"), ("linearly", "linearly"),
     ("adult_income_rf", "adult_income_rf")],
)  # fmt: skip
def test_names_after_the_folder_follow_it(value: str, wanted: str) -> None:
    assert called_after(value, NAMES.old, NAMES.new) == wanted


@pytest.mark.parametrize("text", ["", "a", "a/b/c", "../x", "a/..", "/b", "a/", "a/\0"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(TrainyardError, match="not a model"):
        place_of(text, "TO")


@pytest.mark.parametrize(
    "place",
    [Place("a", "b c"), Place("a", "class"), Place("json", "b"), Place("a", "é"), Place("a", "x" * 200),
     Place("a", "all"), Place("a", "models"), Place("a'", "b"), Place("a", "2b"), Place("trainyard", "b")],
)  # fmt: skip
def test_what_no_new_model_can_be_called(place: Place, tmp_path: Path) -> None:
    with pytest.raises(TrainyardError, match=r"^TO="):
        check_new(place, Repository(tmp_path, {}), "TO")


def test_files_and_records_follow_the_name() -> None:
    sha = "0" * 64
    paths = ("m.pkl", "m_tok/a/m.txt", "model.pkl", ".compiled/m/m.0123456789ab.onnx")
    wanted = ["n.pkl", "n_tok/a/m.txt", "model.pkl", ".compiled/n/n.0123456789ab.onnx"]
    assert [renamed_path(path, "m", "n") for path in paths] == wanted
    record = renamed_record(
        {"model_name": "m", "sha256": sha, "files": {"m.pkl": sha}, "formerly": ["k", "n"]}, "m", "n"
    )
    assert record == {"model_name": "n", "sha256": sha, "files": {"n.pkl": sha}, "formerly": ["k", "m"]}
    assert renamed_record(record, "m", "n") is record
