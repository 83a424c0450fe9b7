"""The reader of .s2i/environment, under whatever text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.contract.environment import Environment, parse_environment, read_environment
from trainyard.errors import TrainyardError

PATH = Path("m/.s2i/environment")
keys = st.from_regex(r"[A-Z_][A-Z0-9_]{0,12}", fullmatch=True)
# A value is one line, is not quoted, and spaces around it do not count.
values = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"])).map(str.strip).filter(
    lambda text: not text.startswith(("'", '"'))
)  # fmt: skip


@given(st.text())
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        environment = parse_environment(text, PATH)
    except TrainyardError as error:
        assert str(error).startswith(f"{PATH}:")
        assert "\n" not in str(error)
        assert error.hint
    else:
        assert isinstance(environment, Environment)


@given(st.dictionaries(keys, values), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_written_is_read(pairs: dict[str, str], comments: bool, newline: str, last: bool) -> None:
    lines = [f"{key}={value}" for key, value in pairs.items()]
    if comments:
        lines = ["# a comment", "", *lines, "   # another", "  "]
    text = newline.join(lines) + (newline if last else "")
    assert dict(parse_environment(text, PATH)) == pairs


def test_the_place_of_a_key() -> None:
    environment = parse_environment("# one\n\nROUTES=a:b:c\nTRAIN_MODULE=x", PATH)
    assert environment.where("ROUTES") == f"{PATH}:3"
    assert environment.where("TRAIN_MODULE") == f"{PATH}:4"
    assert environment.where("ABSENT") == str(PATH)


def test_values_may_hold_commas_and_equal_signs() -> None:
    assert parse_environment("ROUTES=a:b:c,d:e:f=g\n", PATH)["ROUTES"] == "a:b:c,d:e:f=g"


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_bytes(b"\xef\xbb\xbfROUTES=a:b:c\n")
    assert read_environment(path)["ROUTES"] == "a:b:c"


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainyardError, match="cannot be read as UTF-8"):
        read_environment(path)
