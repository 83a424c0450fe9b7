"""`.s2iignore` as s2i reads it: globs of whole paths, in order, with exceptions."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.s2iignore import Ignored, read_ignored


def ignored(folder: Path, text: str) -> Ignored:
    (folder / ".s2iignore").write_text(text)
    return read_ignored(folder)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.log", "a.log"), ("/notes/", "notes"), ("./notes//draft.md", "notes/draft.md"), ("*/draft.md", "a/draft.md"),
        ("n?tes", "notes"), ("[a-c].txt", "b.txt"), ("[^a-c].txt", "d.txt"), (r"\[x\]", "[x]"), (r"[\]d]", "d"),
        ("**", "a.log"), ("*", ".hidden"), ("[[]", "["), ("b?d", "b\udcffd"), (r"[\d]", "d"), ("  padded  ", "padded"),
    ],
)  # fmt: skip
def test_what_a_pattern_matches(tmp_path: Path, pattern: str, path: str) -> None:
    assert ignored(tmp_path, f"{pattern}\n").has(PurePosixPath(path))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.log", "notes/a.log"), ("notes/*", "notes/deep/a"), ("**", "a/b"), ("n?tes", "n/tes"), ("a[^b]c", "a/c"),
        (r"[\d]", "1"), ("# a.log", "a.log"), ("\n", "a.log"), ("!a.log", "a.log"), ("../a.log", "a.log"), (".", "a"),
    ],
)  # fmt: skip
def test_what_a_pattern_leaves(tmp_path: Path, pattern: str, path: str) -> None:
    assert not ignored(tmp_path, f"{pattern}\n").has(PurePosixPath(path))


def test_the_last_line_that_matches_counts(tmp_path: Path) -> None:
    rules = ignored(tmp_path, "*.csv\r\n!lookup.csv\r\nraw*\r\n!raw_kept.csv\r\n")
    kept = {name for name in ("a.csv", "lookup.csv", "raw.txt", "raw_kept.csv") if not rules.has(PurePosixPath(name))}
    assert kept == {"lookup.csv", "raw_kept.csv"}


@pytest.mark.parametrize("pattern", ["[a", "a[]", "[z-a]", "a\\"])
def test_what_is_no_pattern_is_named_with_its_line(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(TrainyardError, match=re.escape(f".s2iignore:2: {pattern!r}")):
        ignored(tmp_path, f"*.log\n{pattern}\n")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_pattern_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, pattern: str) -> None:
    folder = tmp_path_factory.mktemp("model", numbered=True)
    try:
        rules = ignored(folder, pattern)
    except TrainyardError:
        return
    rules.has(PurePosixPath("a/b"))
