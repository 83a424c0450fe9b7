"""What make new-model sees in a table."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.contract.columns import BOOLEAN, CATEGORY, DATE, NUMBER, TEXT
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.tables.reading import read_profile
from trainyard.host.scaffold.tables.table_profile import TableProfile
from trainyard.host.scaffold.tables.target import guess_target, task_of
from trainyard.models.tables import Schema, read_table

FILLER = [str(number % 7) for number in range(40)]


def profile_of(tmp_path: Path, separator: str = ",", **columns: list[str]) -> TableProfile:
    path = tmp_path / "table.csv"
    lines = [separator.join(columns), *(separator.join(row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return read_profile(path)


def use_of(tmp_path: Path, values: list[str], separator: str = ",") -> tuple[str, str, str]:
    found = profile_of(tmp_path, separator, column=values, y=FILLER[: len(values)])
    (use,) = found.uses("y")
    return use.kind, use.what, use.does


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e2", ""] * 10, NUMBER),
        (["0", "1"] * 20, NUMBER),
        (["2024-01-31", "2023-12-01T10:00:00Z"] * 20, DATE),
        (["yes", "no"] * 20, BOOLEAN),
        (["red", "blue", "1"] * 10, CATEGORY),
        (["01067", "53111"] * 20, CATEGORY),
        ([f"a text of words {number}" for number in range(40)], TEXT),
        ([f"SKU-{number % 300}" for number in range(900)], TEXT),
    ],
)
def test_the_kind_of_a_column(tmp_path: Path, values: list[str], kind: str) -> None:
    found = profile_of(tmp_path, ";", column=values, y=[str(number % 7) for number in range(len(values))])
    assert found.uses("y")[0].kind == kind


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("same", ["a"] * 40, "one value"),
        ("none", [""] * 40, "no values"),
        ("id", [str(random.Random(number).randrange(10**9)) for number in range(40)], "tell the rows apart"),
        ("customerID", [str(random.Random(number).randrange(10**9)) for number in range(40)], "tell the rows apart"),
        ("anything", [str(1000 + number) for number in range(40)], "tell the rows apart"),
        ("code", [f"x{number}" for number in range(40)], "tell the rows apart"),
    ],
)
def test_what_says_nothing_is_left_out(tmp_path: Path, name: str, values: list[str], reason: str) -> None:
    (use,) = profile_of(tmp_path, **{name: values, "y": FILLER}).uses("y")
    assert use.kind == ""
    assert reason in use.does


def test_what_looks_like_an_identifier_may_be_kept(tmp_path: Path) -> None:
    found = profile_of(tmp_path, size=[str(20 + number) for number in range(40)], y=FILLER)
    assert found.uses("y")[0].kind == ""
    assert found.keeping("size").uses("y")[0].kind == NUMBER
    with pytest.raises(TrainyardError, match=r"KEEP=sise: .* has no column 'sise'"):
        found.keeping("sise")


def test_an_identifier_of_many_rows_is_one(tmp_path: Path) -> None:
    rows = 12_000  # more than are kept
    found = profile_of(tmp_path, code=[f"c{number}" for number in range(rows)], y=[str(n % 3) for n in range(rows)])
    assert found.uses("y")[0].kind == ""


def test_all_different_measurements_are_no_identifier(tmp_path: Path) -> None:
    assert use_of(tmp_path, [f"{number * 0.37:.3f}" for number in range(40)])[0] == NUMBER
    assert use_of(tmp_path, [str(number * number) for number in range(40)])[0] == NUMBER
    assert use_of(tmp_path, [str(1986 + number) for number in range(40)])[0] == NUMBER


def test_marks_are_missing_values_only_among_numbers(tmp_path: Path) -> None:
    found = profile_of(tmp_path, size=["3", "NA", "4", "?"] * 10, promo=["none", "big"] * 20, y=FILLER)
    size, promo = found.uses("y")
    assert (size.kind, size.what) == (NUMBER, "number, 20 missing")
    assert (promo.kind, promo.what) == (CATEGORY, "category (2 values)")
    assert found.marks == {"NA", "?"}


def test_a_comma_before_a_fraction(tmp_path: Path) -> None:
    found = profile_of(tmp_path, ";", price=["3,5", "12,25"] * 20, y=FILLER)
    assert found.uses("y")[0].kind == NUMBER
    assert found.decimal == ","
    assert found.instances(found.uses("y"))[0] == [3.5]
    kind, what, _ = use_of(tmp_path, ["1,234", "12,345"] * 20, ";")
    assert kind == CATEGORY
    assert "thousands" in what


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["1.234,50", "900,25", "12"] * 13, "marks thousands"),
        (["1,234.50", "900.25"] * 20, "marks thousands"),
        (["31.01.2024", "1.2.2024"] * 20, "Write them as 2026-01-31"),
        (["1/31/2024", "12/1/2024 10:30 AM"] * 20, "Write them as 2026-01-31"),
        (["16%", "7.5%"] * 20, "without the unit"),
        (["$16", "$ 7.5"] * 20, "without the unit"),
        (["1.0.2", "1.0.3"] * 20, "values)"),
        (["01067", "007"] * 20, "values)"),
        (["10-20", "20-30"] * 20, "values)"),
    ],
)
def test_what_a_person_reads_as_numbers_or_dates_is_named(tmp_path: Path, values: list[str], says: str) -> None:
    kind, what, _ = use_of(tmp_path, values, ";")
    assert kind == CATEGORY
    assert what.endswith(says)


def test_a_point_that_may_mean_thousands_is_named(tmp_path: Path) -> None:
    points = ["1.234", "12.345"] * 20
    assert profile_of(tmp_path, ";", price=points, y=FILLER).doubts == []
    found = profile_of(tmp_path, ";", size=["3,5", "12,25"] * 20, price=points, y=FILLER)
    assert found.doubts == ["price: 1.234 is read as 1.234; if 1234 is meant, write it without the point"]


def test_a_first_line_that_looks_like_a_row_is_named(tmp_path: Path) -> None:
    columns = {"5.1": ["4.9", "6.2"] * 20, "3.5": ["3.0", "2.9"] * 20, "setosa": ["setosa", "virginica"] * 20}
    assert "looks like a row" in profile_of(tmp_path, **columns).doubts[0]
    assert profile_of(tmp_path, **{"2019": FILLER, "2020": FILLER, "y": FILLER}).doubts == []


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 20, "classification"),
        (["0", "1", "2"] * 14, "classification"),
        ([str(number) for number in range(42)], "regression"),
        (["1.5", "2.5"] * 21, "regression"),
    ],
)
def test_the_task_is_guessed_of_the_target(tmp_path: Path, values: list[str], task: str) -> None:
    found = profile_of(tmp_path, x=[str(number % 5) for number in range(len(values))], y=values)
    assert guess_target(found) == "y"
    assert task_of(found, "y") == task


@pytest.mark.parametrize(
    ("values", "wanted", "says"),
    [
        (["1"] * 40, "", "the same value in every row"),
        ([""] * 40, "", "has no values"),
        (["a"] * 38 + ["b"] * 2, "", "fewer than 4 rows are of the class 'b'"),
        (["a", "b"] * 20, "regression", "holds no numbers"),
        (["a", "b"] * 20, "ranking", "no such task"),
        ([f"t{number}" for number in range(40)], "", "fewer than 4 rows"),
        ([f"{number}%" for number in range(40)], "", "Write them without the unit"),
        ([f"{number}%" for number in range(40)], "regression", "Write them without the unit"),
    ],
)
def test_a_target_that_none_can_learn(tmp_path: Path, values: list[str], wanted: str, says: str) -> None:
    found = profile_of(tmp_path, x=FILLER, y=values)
    with pytest.raises(TrainyardError, match=says):
        task_of(found, "y", wanted)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a,b\n", "0 row"),
        ("a\n" + "1\n" * 20, "one column"),
        ("a,a\n" + "1,2\n" * 20, "the header has a twice"),
        ('{"a": 1, "b": 2}\n' * 20, "JSON"),
        ('[\n{"a": 1, "b": 2},\n' + '{"a": 1, "b": 2}\n]\n', "JSON"),
        ("a,b\n1\n", "field"),
    ],
)
def test_no_table(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(TrainyardError, match=says):
        read_profile(path)


def test_another_encoding_is_named_by_a_setting_of_make(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("größe,y\n".encode("cp1252") + b"1,2\n3,4\n" * 10)
    with pytest.raises(TrainyardError, match="ENCODING=cp1252"):
        read_profile(path)
    assert read_profile(path, encoding="cp1252").names == ["größe", "y"]
    with pytest.raises(TrainyardError, match="no such encoding"):
        read_profile(path, encoding="klingon")


def test_two_columns_of_one_name_are_left_out_and_no_target(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,a,b,y,\n" + "1,2,3,4,\n5,6,7,8,\n" * 10)
    found = read_profile(path)
    assert [use.kind for use in found.uses("y")] == ["", "", NUMBER, ""]
    with pytest.raises(TrainyardError, match="twice"):
        found.column("a")


_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
_FIELDS = st.one_of(st.sampled_from(["NA", "?", "1", "2,5", "yes", "2024-01-01", ""]), _TEXT, st.floats().map(str))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(_FIELDS, _FIELDS), min_size=12, max_size=30))
def test_whatever_is_read_training_can_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """The schema that is written of a profile reads the table that it was made of."""

    path = tmp_path_factory.mktemp("any") / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("one", "two", "y"), *((*row, str(number % 2)) for number, row in enumerate(rows))])
    found = read_profile(path, separator=",")
    uses = [use for use in found.uses("y") if use.kind]
    kinds = {kind: frozenset(use.name for use in uses if use.kind == kind) for kind in (CATEGORY, TEXT, DATE, BOOLEAN)}
    schema = Schema(
        tuple(use.name for use in uses), "y", kinds[CATEGORY], texts=kinds[TEXT], dates=kinds[DATE],
        booleans=kinds[BOOLEAN], missing=found.marks, decimal=found.decimal, drop_unlabelled=True,
    )  # fmt: skip
    table = read_table(path, schema, separator=",")
    instances = found.instances(uses)
    assert len(table.rows) == len(rows)
    assert all(instance in table.rows for instance in instances)
