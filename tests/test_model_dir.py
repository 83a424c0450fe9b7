"""A leaf Makefile as the package reads it, against what make itself makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import read_variables
from trainyard.host.monorepo.repository import has_cache

LEAF = """
# A comment
MODEL_NAME     := adult_income_rf
DATASET_NAME = "data/table.csv"
CONTAINER_NAME ?= 'adult-income-rf' # trailing words

help:
\tDATASET_NAME=recipe
"""


def test_variables_and_their_lines(tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(LEAF)
    variables = read_variables(makefile)
    assert {key: value.text for key, value in variables.items()} == {
        "MODEL_NAME": "adult_income_rf", "DATASET_NAME": "data/table.csv", "CONTAINER_NAME": "adult-income-rf",
    }  # fmt: skip
    assert variables["DATASET_NAME"].source == f"{makefile}:4"


def test_make_reads_plain_assignments_the_same_way(tmp_path: Path) -> None:
    text = "A := one two  three\nB=x=y\nC ?= z\nexport D := d\n"
    (tmp_path / "Makefile").write_text(text + "all:\n\t@printf '%s\\n' '$(A)' '$(B)' '$(C)' '$(D)'\n")
    done = subprocess.run(["make", "-s"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [value.text for value in read_variables(tmp_path / "Makefile").values()]


def test_a_computed_value_is_refused(tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text("MODEL_NAME := $(notdir $(CURDIR))\n")
    with pytest.raises(TrainyardError, match=r"Makefile:1: MODEL_NAME is computed by make: write its value out"):
        read_variables(makefile)


def test_where_a_home_has_no_room_for_a_cache(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert has_cache({"HOME": str(tmp_path / "home")})
    assert has_cache({"HOME": "/nonexistent", "XDG_CACHE_HOME": str(tmp_path / "new")})
    assert has_cache({"HOME": "", "UV_CACHE_DIR": "anywhere"})
    for home in ("", "~", "/dev/null"):
        assert not has_cache({"HOME": home})
    assert not has_cache({})
