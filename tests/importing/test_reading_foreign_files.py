"""Makefiles and wiring of strangers are read as text; what is written for them, our own readers read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract.environment import parse_environment
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.importing.makefiles import copied_by, image_of, variables_of
from trainyard.host.scaffold.importing.names import identifier
from trainyard.host.scaffold.importing.wiring import dataset_name, read_wiring
from trainyard.host.scaffold.model_names import image_name


def test_values_are_those_that_make_has(tmp_path: Path) -> None:
    """But for quotes, which historical Makefiles have around values and mean for the shell."""
    text = (
        "A = one # comment\nB := 'two'\nC ?= \"three\"\nD = ${A}-x\nexport E := e\nF = a\\\n  b\n"
        "G := $(shell echo no)\ntarget:\n\tH = of a recipe\nA = last\n"
    )
    (tmp_path / "Makefile").write_text(text + "\nprint-%:\n\t@printf '%s' '$($*)'\n")
    found = variables_of(text)
    assert "H" not in found and found["G"].computed
    for name in "ABCEF":
        said = subprocess.run(["make", "-s", f"print-{name}"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert " ".join(found[name].text.split()) == " ".join(said.stdout.strip("'\"").split())
    assert (found["D"].text, found["A"].line) == ("one-x", 11)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(one.line >= 1 for one in variables_of(text).values())
    assert "/" not in copied_by(text)
    assert isinstance(image_of(text), str)


KEYS = st.sampled_from(["ROUTES", "TRAIN_MODULE", "OTHER", "export TRAIN_FUNCTION", "# ROUTES", " ROUTES"])
LINES = st.one_of(
    st.tuples(KEYS, st.sampled_from(["a", "'b'", '"c"', "x=y", ""])).map("=".join), st.sampled_from(["", "x"])
)


@given(st.lists(LINES, max_size=8))
def test_what_is_written_is_wiring_of_ours(lines: list[str]) -> None:
    wiring = read_wiring("\n".join(lines))
    values = {key: value for key, value in wiring.values.items() if value} | {"ROUTES": "r:m:f"}
    written = parse_environment(wiring.with_values(values), Path("environment"))
    assert {key: written[key] for key in values} == values


def test_wiring_that_is_ours_stays_as_it_is() -> None:
    text = "# mine\n\nROUTES=r:m:f\nTRAIN_MODULE=m"
    assert read_wiring(text).with_values({"ROUTES": "r:m:f", "TRAIN_MODULE": "m"}) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [("./data/a b.csv", "data/a b.csv"), ("../a", ""), ("/a", ""), ("data/$(X)", ""), ("a#b", ""), ("", ""), (".", "")],
)
def test_a_dataset_is_below_the_project(text: str, name: str) -> None:
    assert dataset_name(text) == name


@given(st.text(max_size=100))
def test_names_can_be_used_wherever_they_go(text: str) -> None:
    assert identifier(text).isidentifier() and identifier(text).isascii() and len(identifier(text)) < 80
    assert image_name(text).strip("-") == image_name(text) != ""


def test_a_key_of_wiring_without_a_value_is_refused_by_our_reader() -> None:
    with pytest.raises(TrainyardError):
        parse_environment("ROUTES", Path("environment"))
