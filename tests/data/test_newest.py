"""Which file ``latest`` and a pattern mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.data.newest import CSV, chosen
from trainyard.host.monorepo.dataset_ref import DatasetRef, parse_ref


@pytest.mark.parametrize(
    ("names", "purpose", "found"),
    [
        (("train_v9.csv", "train_v12.csv"), "train", "train_v12.csv"),
        (("train_2023-12-31.csv", "train_2024-01-01.csv", "test_2025-01-01.csv"), "train", "train_2024-01-01.csv"),
        (("train_20231231.csv", "test_20240101.csv", "test_20230101.csv"), "test", "test_20240101.csv"),
        (("pothole_1.csv", "pothole_2.csv", "pothole_test_3.csv"), "train", "pothole_2.csv"),
        (("train.csv", "train_7.csv"), "train", "train_7.csv"),
        (("v1", "v2", "v10"), "train", "v10"),
        (("latest", "v1"), "train", "latest"),
    ],
)
def test_latest(names: tuple[str, ...], purpose: str, found: str) -> None:
    assert chosen(names, "latest", purpose, "x", "y") == found


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        (("train_v1.csv", "train_v1.json", "train_v2.csv", "train_v3.json"), "latest.csv", "train_v2.csv"),
        (("a_1.csv", "a_2.csv", "b_9.csv"), "a_*.csv", "a_2.csv"),
        (("only.csv", "other.txt"), "*.csv", "only.csv"),
        (("a.csv", "b.csv"), "b.csv", "b.csv"),
        (("a[1].csv", "a1.csv"), "a[1].csv", "a[1].csv"),
    ],
)
def test_patterns_and_names(names: tuple[str, ...], wanted: str, found: str) -> None:
    assert chosen(names, wanted, "train", "x", "y") == found


def test_a_name_without_the_ending_that_all_have() -> None:
    assert chosen(("a.csv", "b.csv"), "b", "train", "x", "y", CSV) == "b.csv"
    with pytest.raises(TrainyardError, match=r"x: there is no c in y: it has a\.csv, b\.csv"):
        chosen(("a.csv", "b.csv"), "c", "train", "x", "y", CSV)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "latest finds no versioned file for train in there"),
        (("train.csv", "test_1.csv"), "latest finds no versioned file for train in there"),
        (("train_v1.csv", "train_v01.csv"), "train_v01.csv and train_v1.csv, which are of one version"),
        (("train_v1.csv", "train_2024-01-01.csv"), "cannot compare train_#-#-#.csv with train_v#.csv"),
    ],
)
def test_no_latest(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(TrainyardError, match=r"^here: latest") as caught:
        chosen(names, "latest", "train", "here", "there")
    assert message in str(caught.value)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8, unique=True))
def test_versions_are_numbers(numbers: list[int]) -> None:
    names = [f"train_v{number}.csv" for number in numbers]
    assert chosen(names, "latest", "train", "x", "y") == f"train_v{max(numbers)}.csv"


@pytest.mark.parametrize(
    ("text", "ref", "is_open"),
    [
        ("data/a.csv", DatasetRef("", "data/a.csv"), False),
        ("lake:a/b.csv", DatasetRef("lake", "a/b.csv"), False),
        ("lake:", DatasetRef("lake", ""), False),
        ("lake:/a/latest", DatasetRef("lake", "a/latest"), True),
        ("data/latest.csv", DatasetRef("", "data/latest.csv"), True),
        ("test_data:x/*.csv", DatasetRef("test_data", "x/*.csv"), True),
        ("s3://bucket/a.csv", DatasetRef("", "s3://bucket/a.csv"), False),
        ("data/a:b.csv", DatasetRef("", "data/a:b.csv"), False),
    ],
)
def test_how_a_dataset_is_named(text: str, ref: DatasetRef, is_open: bool) -> None:
    found = parse_ref(text)
    assert found == ref
    assert found.is_open == is_open
    assert str(found) == text.replace(":/a", ":a")


@given(st.from_regex(r"[a-z]{0,3}:?/{0,3}.{0,9}", fullmatch=True))
def test_a_name_that_is_written_is_read_as_the_same(text: str) -> None:
    found = parse_ref(text)
    assert parse_ref(str(found)) == found
