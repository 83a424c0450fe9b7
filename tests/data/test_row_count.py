"""How many rows a record says that a dataset has."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from trainyard.contract.datasets.row_count import row_count
from trainyard.contract.files import dataset_files


def rows(dataset: Path) -> int | None:
    return row_count(dataset, dataset_files(dataset))


@pytest.mark.parametrize(
    ("text", "count"),
    [("a,b\n1,2\n3,4\n", 2), ("a,b\n1,2\n3,4", 2), ('a,b\n1,"x\ny"\n\n3,4\n', 2), ("a,b\n", 0), ("", 0)],
)
def test_a_text(tmp_path: Path, text: str, count: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert rows(path) == count
    packed = tmp_path / "T.CSV.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert rows(packed) == count


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a\n1\n2\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "two.tsv").write_text("a\tb\n1\t2\n")
    (tmp_path / "_SUCCESS").write_text("")
    assert rows(tmp_path) == 3
    (tmp_path / "README.md").write_text("# Tables\n")
    assert rows(tmp_path) is None


def test_parquet(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    assert rows(path) == 3


def test_what_nobody_can_count(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"never closed\n')
    assert rows(path) is None
    path.rename(tmp_path / "t.bin")
    assert rows(tmp_path / "t.bin") is None
