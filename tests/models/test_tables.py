from __future__ import annotations

import re
from pathlib import Path

import pytest

from common_utils.splits import split
from common_utils.tables import Schema, Table, read_table
from trainyard.contract.data_parts import VALIDATION
from trainyard.errors import TrainyardError

SCHEMA = Schema(features=("age", "job"), label="income", categorical=frozenset({"job"}))


def table_of(tmp_path: Path, text: str | bytes, schema: Schema = SCHEMA) -> Table:
    path = tmp_path / "people.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, schema)


def test_columns_are_found_by_name_and_others_left_aside(tmp_path: Path) -> None:
    table = table_of(tmp_path, "income,extra,job,age\n0,x,clerk,30\n1,y,smith,41.5\n")
    assert table.columns == ("age", "job")
    assert table.rows == [[30, "clerk"], [41.5, "smith"]]
    assert table.labels == [0, 1]


def test_a_byte_order_mark_crlf_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    table = table_of(tmp_path, "\ufeffage, job, income\r\n\r\n30, clerk, 0\r\n")
    assert table.rows == [[30, "clerk"]]


def test_labels_of_text_stay_text_and_numeric_ones_become_numbers(tmp_path: Path) -> None:
    assert table_of(tmp_path, "age,job,income\n1,a,low\n2,b,2\n").labels == ["low", "2"]
    numeric = Schema(features=("age",), label="income", numeric_label=True)
    assert table_of(tmp_path, "age,income\n1,2.5\n2,3\n", numeric).labels == [2.5, 3]


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        (("0", "1"), [0, 1]),
        (("-3", "12"), [-3, 12]),
        (("007", "8"), ["007", "8"]),
        (("1_0", "1"), ["1_0", "1"]),
        (("+1", "1"), ["+1", "1"]),
        (("1.0", "0.0"), ["1.0", "0.0"]),
        (("-0", "1"), ["-0", "1"]),
        (("true", "false"), ["true", "false"]),
    ],
)
def test_classes_are_numbers_only_where_they_are_written_as_numbers(
    tmp_path: Path, labels: tuple[str, ...], read: list[object]
) -> None:
    text = "age,job,income\n" + "".join(f"1,a,{label}\n" for label in labels)
    assert table_of(tmp_path, text).labels == read


EVERY = Schema(
    features=("age", "job", "note", "since", "member"), label="income", categorical=frozenset({"job"}),
    texts=frozenset({"note"}), dates=frozenset({"since"}), booleans=frozenset({"member"}),
)  # fmt: skip


def test_a_column_is_read_as_what_it_holds_and_a_blank_is_missing(tmp_path: Path) -> None:
    text = (
        "age,job,note,since,member,income\n"
        '9007199254740993,007,"a, b",2026-01-31,yes,0\n'
        " , ,,,,1\n"
        ".5,clerk,1,2026-01-31T12:00:00Z,FALSE,0\n"
    )
    table = table_of(tmp_path, text, EVERY)
    assert table.rows == [
        [9007199254740993, "007", "a, b", "2026-01-31", True],
        [None] * 5,
        [0.5, "clerk", "1", "2026-01-31T12:00:00Z", False],
    ]
    assert table.kinds == ("number", "category", "text", "date", "boolean")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1,a,b,31.1.2026,yes,0", "people.csv:2: since is '31.1.2026', not a date such as 2026-01-31"),
        ("1,a,b,2026-02-30,yes,0", "people.csv:2: since is '2026-02-30', not a date"),
        ("1,a,b,2026-01-31,maybe,0", "people.csv:2: member is 'maybe', not true or false"),
        ("NA,a,b,2026-01-31,no,0", "leave the field blank where the value is missing"),
    ],
)
def test_a_value_that_a_column_cannot_have_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(TrainyardError, match=re.escape(says)):
        table_of(tmp_path, f"age,job,note,since,member,income\n{line}\n", EVERY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "people.csv: the dataset is empty"),
        ("\n\n", "people.csv: the dataset is empty"),
        ("age,job,income\n", "people.csv: the dataset has a header and no rows"),
        ("age,work\n1,a\n", "people.csv: missing column(s) job, income"),
        ("age,job,job,income\n1,a,b,0\n", "people.csv: column(s) job appear twice"),
        ("age,job,income\n1,a,0\n2,b\n", "people.csv:3: 2 field(s) where the header has 3"),
        ("age,job,income\n1,a,0\nold,b,1\n", "people.csv:3: age is 'old', not a finite number"),
        ("age,job,income\nnan,a,0\n", "people.csv:2: age is 'nan', not a finite number"),
        ("age,job,income\n1_0,a,0\n", "people.csv:2: age is '1_0', not a finite number"),
        ("age,job,income\n1,a,\n", "people.csv:2: the label income is empty"),
        (b"age,job,income\n1,\xff\xfe,0\n", "people.csv:2: not utf-8 text (byte 0xff)"),
    ],
)
def test_a_bad_dataset_is_one_line_that_names_the_place(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(TrainyardError) as caught:
        table_of(tmp_path, text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_may_stand_for_a_missing_value(tmp_path: Path) -> None:
    schema = Schema(("age", "job"), "income", frozenset({"job"}), missing=frozenset({"NA", "?"}))
    table = table_of(tmp_path, "age,job,income\nna,?,0\n 3 ,NAN,1\n", schema)
    assert table.rows == [[None, None], [3, "NAN"]]
    with pytest.raises(TrainyardError, match=r"people\.csv:2: the label income is empty"):
        table_of(tmp_path, "age,job,income\n1,a,NA\n", schema)


def test_a_comma_may_stand_before_a_fraction(tmp_path: Path) -> None:
    schema = Schema(("age",), "income", numeric_label=True, decimal=",")
    table = table_of(tmp_path, "age;income\n3,5;-0,25\n4;1.5\n", schema)
    assert (table.rows, table.labels) == ([[3.5], [4]], [-0.25, 1.5])


def test_rows_without_a_label_may_be_left_out(tmp_path: Path) -> None:
    schema = Schema(("age",), "income", missing=frozenset({"NA"}), drop_unlabelled=True)
    assert table_of(tmp_path, "age,income\n1,a\n2,\n3,NA\n4,b\n", schema).rows == [[1], [4]]
    with pytest.raises(TrainyardError, match="the dataset has no label in the column income"):
        table_of(tmp_path, "age,income\n1,\n", schema)


def test_no_dataset_and_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(TrainyardError, match=r"absent\.csv: no such dataset.*DATASET_NAME"):
        read_table(tmp_path / "absent.csv", SCHEMA)
    with pytest.raises(TrainyardError, match="the folder holds no files"):
        read_table(tmp_path, SCHEMA)


def people(labels: list[float | int | str]) -> Table:
    return Table(Path("people.csv"), ("age",), [[i] for i in range(len(labels))], labels)


def test_a_split_keeps_the_shares_and_repeats_itself() -> None:
    table = people([0] * 80 + [1] * 20)
    training, held_out = split(table, held_out=0.25, seed=3)
    assert (len(training.rows), sum(training.labels)) == (75, 15)  # type: ignore[arg-type]
    assert sorted(row[0] for row in training.rows + held_out.rows) == list(range(100))
    assert all((row[0] >= 80) == label for row, label in zip(held_out.rows, held_out.labels, strict=True))  # type: ignore[operator]
    assert split(table, held_out=0.25, seed=3) == (training, held_out)
    assert split(table, held_out=0.25, seed=4) != (training, held_out)


@pytest.mark.parametrize("stratify", [True, False])
def test_who_measures_on_the_validation_part_sees_no_row_of_the_test_part(stratify: bool) -> None:
    table = people([0] * 80 + [1] * 20)
    training, validation = split(table, part=VALIDATION, held_out=0.25, stratify=stratify)
    everything, test = split(table, held_out=0.25, stratify=stratify)
    assert len(validation.rows) == len(test.rows) == 25
    assert sorted(training.rows + validation.rows) == sorted(everything.rows)
    assert not any(row in test.rows for row in training.rows + validation.rows)


def test_a_class_of_one_row_cannot_be_split() -> None:
    with pytest.raises(TrainyardError, match=r"people\.csv: cannot be split"):
        split(people([0, 0, 0, 0, 1]))
