"""Tables in the forms that people have them in: each is read as the same table in plain CSV is."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import sys
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_utils.table_files import read_lines
from common_utils.tables import Schema, Table, read_table
from trainyard.errors import TrainyardError

SCHEMA = Schema(features=("age", "job"), label="income", categorical=frozenset({"job"}))
PLAIN = "age,job,income\n30,clerk,0\n41.5,smith,1\n"
ROWS = [[30, "clerk"], [41.5, "smith"]]


def table_of(tmp_path: Path, content: str | bytes, name: str = "people.csv", **how: str) -> Table:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, SCHEMA, **how)


def error_of(tmp_path: Path, content: str | bytes, **how: str) -> str:
    with pytest.raises(TrainyardError) as caught:
        table_of(tmp_path, content, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{tmp_path}/", "")


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_says_what_separates_fields(tmp_path: Path, separator: str) -> None:
    assert table_of(tmp_path, PLAIN.replace(",", separator)).rows == ROWS


def test_other_separators_in_quotes_in_names_and_in_values_separate_nothing(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'job;"a,b,c,d";age;net, gross;income\n"x;y";1;2;3,5;0\n"p,q";1;2;4,5;1\n')
    assert [row[1] for row in table.rows] == ["x;y", "p,q"]
    assert table_of(tmp_path, "age,job,a|b|c|d|e,income\n1,clerk,x,0\n").rows == [[1, "clerk"]]


def test_a_header_that_two_separators_split_alike_has_to_be_decided(tmp_path: Path) -> None:
    text = "age;job;income,x,y\n1;a;0,0,0\n"
    says = error_of(tmp_path, text)
    assert says.startswith("people.csv: comma and semicolon split the header into equally many names")
    assert "separator=';'" in says
    assert table_of(tmp_path, text.replace("income,x,y", "income"), separator=";").rows == [[1, "a"]]


def test_a_separator_that_is_given_counts(tmp_path: Path) -> None:
    assert table_of(tmp_path, PLAIN.replace(",", "^"), separator="^").rows == ROWS
    assert table_of(tmp_path, PLAIN.replace(",", " "), separator=" ").rows == ROWS
    assert "separator='--' cannot separate" in error_of(tmp_path, PLAIN, separator="--")


def test_the_first_line_that_excel_writes_names_the_separator(tmp_path: Path) -> None:
    assert table_of(tmp_path, "\ufeffsep=;\r\n" + PLAIN.replace(",", ";")).rows == ROWS
    assert error_of(tmp_path, "sep=;\nage;job;income\n1;a\n").startswith("people.csv:3: 2 field(s)")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    assert table_of(tmp_path, PLAIN.replace("clerk", "Käufer €").encode(encoding)).rows[0] == [30, "Käufer €"]


def test_another_encoding_is_named_and_never_guessed(tmp_path: Path) -> None:
    content = PLAIN.replace("smith", "Käufer €").encode("cp1252")
    says = error_of(tmp_path, content)
    assert says.startswith("people.csv:3: not utf-8 text (byte 0xe4): save it as UTF-8, or")
    assert 'encoding="cp1252"' in says
    assert table_of(tmp_path, content, encoding="cp1252").rows[1] == [41.5, "Käufer €"]
    assert "people.csv:3: not ascii text" in error_of(tmp_path, content, encoding="ascii")
    assert "no encoding 'klingon'" in error_of(tmp_path, content, encoding="klingon")


def test_the_line_of_a_byte_that_is_no_text_is_right_far_into_a_file(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        content = f"age,job,income{end}{f'1,clerk,0{end}' * 5000}".encode() + b"1,\xff,0"
        assert error_of(tmp_path, content).startswith("people.csv:5002: not utf-8"), repr(end)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_blank_lines_and_line_ends_in_quotes(tmp_path: Path, end: str) -> None:
    lines = ["", "age , job,income", "", f'30,"cl{end}erk",0', "  ", "41.5,smith,1"]
    assert table_of(tmp_path, end.join(lines)).rows == [[30, f"cl{end}erk"], [41.5, "smith"]]
    assert error_of(tmp_path, end.join([*lines, "old,x,1"])).startswith(f"people.csv:{8}: age is 'old'")


def test_separators_at_the_ends_of_lines_do_no_harm(tmp_path: Path) -> None:
    assert table_of(tmp_path, "age,job,income,\n30,clerk,0,\n41.5,smith,1\n").rows == ROWS
    assert table_of(tmp_path, "age,job,income\n30,clerk,0,, \n41.5,smith,1,\n").rows == ROWS
    assert "people.csv:2: 4 field(s) where the header has 3" in error_of(tmp_path, "age,job,income\n1,a,0,x\n")


def test_names_that_nobody_asked_for_may_be_blank_or_repeated(tmp_path: Path) -> None:
    assert table_of(tmp_path, ",age,x,job,x,income,\n0,30,1,clerk,2,0,9\n").rows == [[30, "clerk"]]


def test_a_long_field_is_a_field(tmp_path: Path) -> None:
    assert table_of(tmp_path, f"age,job,income\n1,{'x' * 200_000},0\n").rows == [[1, "x" * 200_000]]


def test_a_line_that_begins_with_a_hash_is_a_line(tmp_path: Path) -> None:
    assert error_of(tmp_path, "age,job,income\n# made by hand\n").startswith("people.csv:2: 1 field(s)")


@pytest.mark.parametrize("last", ["", "2,b,1\n", "2,b,1\n3,c,0"])
def test_a_quote_that_is_never_closed_loses_no_rows_in_silence(tmp_path: Path, last: str) -> None:
    text_label = 'age,job,income\n1,a,0\n\n2,b,"yes\n'
    for text in (text_label + last, f'age,job,income\n1,a,0\n\n2,"b,1\n{last}'):
        assert error_of(tmp_path, text).startswith("people.csv:4: a quote is opened in this record and never closed")


def test_a_quote_that_is_closed_too_late_is_found_where_it_opens(tmp_path: Path) -> None:
    says = error_of(tmp_path, 'age,job,income\n1,"a,0\n2,b,1\n3,"c",1\n')
    assert says.startswith("people.csv:2: a quote is opened in this record and closed 2 line(s) later")
    assert error_of(tmp_path, 'age,job,income\n1,"a,0\n2,b",1,1\n').startswith("people.csv:2: 4 field(s)")


def test_what_follows_a_closed_quote_belongs_to_the_text(tmp_path: Path) -> None:
    assert table_of(tmp_path, 'age,job,"income"\n30,"clerk" ,0\n1,"3" pipe",1\n').rows == [
        [30, "clerk"],
        [1, '3 pipe"'],
    ]
    assert error_of(tmp_path, 'age,job,income\n1,"a"b,"0\n2,b,1\n').startswith(
        "people.csv:2: a quote is opened on this"
    )


def test_a_nul_character_is_named_with_its_line(tmp_path: Path) -> None:
    assert error_of(tmp_path, "age,job,income\n1,a\0b,0\n").startswith(
        "people.csv:2: not utf-8 text (a NUL character): save it as UTF-8"
    )
    assert "people.csv:1: not utf-8 text (a NUL character)" in error_of(tmp_path, PLAIN.encode("utf-16-le"))


@pytest.mark.parametrize(
    "packed", [gzip.compress, bz2.compress, lzma.compress, lambda content: zipped({"a.csv": content})]
)
def test_packed_files_are_known_by_their_content(tmp_path: Path, packed) -> None:  # type: ignore[no-untyped-def]
    content = packed(PLAIN.encode("utf-16"))
    assert table_of(tmp_path, content, "people.csv").rows == ROWS
    assert "cannot be unpacked" in error_of(tmp_path, content[: len(content) // 2])


def test_what_a_zip_archive_holds_must_be_one_table(tmp_path: Path) -> None:
    assert table_of(tmp_path, zipped({"data/": "", "data/a.csv": PLAIN, "__MACOSX/._a.csv": "x"})).rows == ROWS
    assert "people.csv: a zip archive of 2 files" in error_of(tmp_path, zipped({"a.csv": PLAIN, "b.csv": PLAIN}))
    assert "people.csv: a spreadsheet" in error_of(tmp_path, zipped({"[Content_Types].xml": "", "xl/a": ""}))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "people.csv: an Excel workbook: save its sheet as CSV"),
        (b"\x28\xb5\x2f\xfd", "people.csv: packed by zstd: unpack it"),
        (b"FEA1\0\0\0\0", "people.csv: a Feather file of version 1"),
        (b"PAR1\x15\x04 cut off", "people.csv: cannot be read as Parquet"),
        (b"ARROW1\0\0 cut off", "people.csv: cannot be read as Parquet or Arrow"),
    ],
)
def test_a_file_that_is_no_table_says_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    assert error_of(tmp_path, content).startswith(says)


def test_columns_may_be_called_as_formats_begin(tmp_path: Path) -> None:
    for name in ("PAR1", "FEA1", "ARROW1", "BZh9", "PARE"):
        assert table_of(tmp_path, f"{name},age,job,income\n1,30,clerk,0\n").rows == [[30, "clerk"]]


TYPED = {
    "whole": pa.array([2**53 + 1, None], pa.int64()),
    "huge": pa.array([2**64 - 1, 0], pa.uint64()),
    "real": pa.array([0.1, None], pa.float64()),
    "short": pa.array([0.1, 1e20], pa.float32()),
    "flag": pa.array([True, None]),
    "money": pa.array([Decimal("1.50"), Decimal("0.00")], pa.decimal128(20, 2)),
    "tiny": pa.array([Decimal("0.00000001"), None], pa.decimal128(20, 8)),
    "day": pa.array([date(2026, 1, 2), None]),
    "moment": pa.array([datetime(2026, 1, 2, 3, 4, 50), datetime(2026, 1, 2, 3, 4, 5, 120)], pa.timestamp("ns")),
    "zoned": pa.array([datetime(2026, 1, 2, 3, 4, tzinfo=UTC), None], pa.timestamp("ms", "Europe/Berlin")),
    "clock": pa.array([time(1, 2, 3), None]),
    "word": pa.array(["naïve", None]),
    "kind": pa.array(["a", None]).dictionary_encode(),
    "raw": pa.array([b"text", None]),
    "nothing": pa.array([None, None]),
}
MEANT = [
    (
        2**53 + 1, 2**64 - 1, 0.1, 0.1, True, "1.50", "0.00000001", "2026-01-02", "2026-01-02T03:04:50",
        "2026-01-02T03:04:00Z", "01:02:03", "naïve", "a", "text", None,
    ),
    (None, 0, None, 1e20, None, "0.00", None, None, "2026-01-02T03:04:05.00012", None, None, None, None, None, None),
]  # fmt: skip


@pytest.mark.parametrize("write", [pyarrow.parquet.write_table, pyarrow.feather.write_feather])
def test_typed_values_mean_what_their_text_means(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    write(pa.table(TYPED), tmp_path / "typed.csv")
    (first, header), *rows = read_lines(tmp_path / "typed.csv")
    assert (first, header) == (1, list(TYPED))
    assert [number for number, _ in rows] == [2, 3]
    for (_, fields), meant in zip(rows, MEANT, strict=True):
        assert [(type(value), value) for value in fields] == [(type(value), value) for value in meant]


@pytest.mark.parametrize("write", [pyarrow.parquet.write_table, pyarrow.feather.write_feather])
def test_columns_that_nobody_asks_for_are_not_read(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "boxes.parquet"
    write(pa.table({"box": [[1, 2], [3]], "size": [1, 2]}), path)
    assert list(read_lines(path, ("size",))) == [(1, ["box", "size"]), (2, [None, 1]), (3, [None, 2])]
    with pytest.raises(TrainyardError, match="column box is of type list"):
        list(read_lines(path))


@pytest.mark.slow
def test_rows_beyond_one_batch_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    pyarrow.parquet.write_table(pa.table({"n": range(150_000)}), path, row_group_size=70_000)
    assert [(number, [number - 2]) for number in range(2, 150_002)] == list(read_lines(path))[1:]


def test_without_pyarrow_its_files_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "add pyarrow to requirements_train.txt" in error_of(tmp_path, b"PAR1\x15\x04")


def folder_of(tmp_path: Path, **parts: str | bytes) -> Path:
    folder = tmp_path / "people"
    for name, content in parts.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_the_parts_of_a_folder_are_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        part_2="income;job;age\n1;smith;41.5\n",
        part_1=gzip.compress(PLAIN.encode()),
        more__part_3="age,job,income\n",
        _SUCCESS="",
        _delta__log="x",
    )
    (folder / ".DS_Store").write_bytes(b"\0")
    table = read_table(folder, SCHEMA)
    assert table.rows == [*ROWS, [41.5, "smith"]]
    assert table.labels == [0, 1, 1]
    assert table.path == folder


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("age,job,income\n1,a,0\nold,b,1\n", "people/part_2:3: age is 'old', not a finite number"),
        ("age,income,work\n1,0,a\n", "people/part_2: its columns are not those of "),
        ("age,income,work\n1,0,a\n", "people/part_1: no job, also work: give both the same header"),
        ("", "people/part_2: the dataset is empty"),
        (b"PAR1\x15\x04", "people/part_2: cannot be read as Parquet"),
    ],
)
def test_an_error_in_a_folder_names_the_part(tmp_path: Path, second: str | bytes, says: str) -> None:
    with pytest.raises(TrainyardError) as caught:
        read_table(folder_of(tmp_path, part_1=PLAIN, part_2=second), SCHEMA)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_parts_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TrainyardError, match="people: no file of the folder is part of a table"):
        read_table(folder_of(tmp_path, _SUCCESS=""), SCHEMA)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8).map(str.strip)


@given(
    rows=st.lists(st.tuples(WORDS.filter(bool), WORDS), min_size=1, max_size=30),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_csv_writes_is_read_back(  # type: ignore[no-untyped-def]
    tmp_path_factory, rows, separator, encoding, end, quoting
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting).writerows([("name", "word"), *rows])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    assert [tuple(fields) for _, fields in read_lines(path)] == [("name", "word"), *rows]
