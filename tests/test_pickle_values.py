"""Pickles are described without being opened: what one would import is known, whatever it would do."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.errors import TrainyardError
from trainyard.host.scaffold.fitted.pickle_values import NotAPickle, read_pickle
from trainyard.host.scaffold.fitted.pickled_objects import Global, Made, Pairs, Skipped
from trainyard.host.scaffold.fitted.recognizing import describe

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    """As Python would have it."""
    if isinstance(value, Pairs):
        return {plain(key): plain(found) for key, found in value}
    if isinstance(value, Made):  # protocols 0 to 2 make bytes by a function
        assert str(value.by).endswith(("_codecs.encode", "__builtin__.bytes"))
        return value.arguments[0].encode("latin-1") if value.arguments else b""
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


@given(VALUES, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_as_python_has_them(value: object, protocol: int) -> None:
    assert plain(read_pickle(io.BytesIO(pickle.dumps(value, protocol))).value) == value


@given(st.binary(max_size=300))
def test_bytes_that_are_no_pickle(content: bytes) -> None:
    """Or happen to be one: then they have a value."""
    try:
        read_pickle(io.BytesIO(content))
    except NotAPickle:
        return


@given(VALUES, st.data())
def test_a_pickle_that_was_cut_off(value: object, data: st.DataObject) -> None:
    content = pickle.dumps(value, 4)
    with pytest.raises(NotAPickle):
        read_pickle(io.BytesIO(content[: data.draw(st.integers(0, len(content) - 1))]))


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_would_run_is_named_and_does_not_run(protocol: int) -> None:
    found = read_pickle(io.BytesIO(pickle.dumps([Hostile()], protocol)))
    assert [one.name for one in found.globals] == ["exec"]
    assert isinstance(found.value[0], Made) and isinstance(found.value[0].by, Global)


def test_arrays_of_joblib_are_stepped_over() -> None:
    names = np.array(["a", "b"], dtype=object)
    file = io.BytesIO()
    joblib.dump(
        {"first": np.zeros((3, 4)), "nodes": np.zeros(2, dtype="i4,f8"), "names": names, "last": date(2026, 1, 2)}, file
    )
    file.seek(0)
    found = read_pickle(file)
    assert isinstance(found.value, Pairs)
    assert found.value.get("last").kind == "datetime.date"
    assert ["a", "b"] in found.value.get("names").state


def test_what_is_long_is_not_kept() -> None:
    value = read_pickle(io.BytesIO(pickle.dumps([b"x" * 3_000_000, "y" * 3_000_000, 7], 5))).value
    assert isinstance(value[0], Skipped) and isinstance(value[1], Skipped) and value[2] == 7


def nested(depth: int) -> bytes:
    """A tuple in a tuple in a tuple as the key of a dict: to hash it would end the process."""
    return b"\x80\x04)" + b"\x85" * depth + b"}\x8c\x01a\x86" + b"."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello, world\n", "not a model that is known"),
        (b"a,b\n1,2\n", "not a model that is known"),
        (pickle.dumps({"a": 1}), "a pickle of a dict with 'a'"),
        (pickle.dumps([1, 2]), "a pickle of a list"),
        (pickle.dumps(date(2026, 1, 2)), "a pickle of datetime.date"),
        (pickle.dumps(Hostile()), "opening it imports builtins.exec"),
        (pickle.dumps(np.zeros(3)), "a pickle of numpy"),
        (nested(300_000), "begins as a pickle, and is damaged|a pickle of"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62), "damaged"),
        (b"\x80\x04\x96" + struct.pack("<Q", 1 << 62) + b".", "damaged"),
        (gzip.compress(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + bytes(50_000_000))[:-20_000], "damaged"),
        (zlib.compress(pickle.dumps({"a": 1}))[:-4], "a pickle of a dict|damaged"),
        (b"PK\x03\x04" + bytes(50), "an archive"),
        (b"binf" + bytes(50), "an old binary of XGBoost"),
        (b"{}", "no model of XGBoost"),
        (b'{"learner": 3}', "no model of XGBoost"),
        (b'{"a": ' * 100_000, "XGBoost"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "damaged"),
        (b"CBM1" + bytes(40), "a CatBoost model that is damaged"),
        (b"CBM1" + b"\xff" * 400, "a CatBoost model that is damaged"),
        (b"tree\nversion=v4\nnum_class=1\n", "a LightGBM model that is damaged"),
        (b"\x08\x0a\x3a\x00", "an ONNX model that is damaged"),
        (b"csklearn.linear_model\nRidge\n)\x81.", "was not fitted"),
        (b"c__main__\nMine\n)\x81.", "has __main__.Mine"),
        (b"cmine\nMine\n)\x81.", "opening it imports mine.Mine"),
        (b"cnumpy.testing._private.utils\nrunstring\n)R.", "opening it calls numpy.testing"),
        (b"csklearn\nx\x1b[31m\n)\x81.", "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_fitted_model(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(content)
    with pytest.raises(TrainyardError, match=reason) as error:
        describe(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value) and error.value.hint


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path, "a folder"),
        (tmp_path / "none", "no such file"),
        (Path("/dev/null"), "not a file"),
    ):
        with pytest.raises(TrainyardError, match=reason):
            describe(path)


def test_a_pipeline_of_texts_takes_one_column(tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(pipeline))
    with pytest.raises(TrainyardError, match="was not fitted"):
        describe(path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(pipeline.fit(["a few words", "other words"], [0, 1]), protocol))
        found = describe(path)
        assert (found.width, found.texts, found.facts["texts"]) == (1, {0}, True)
        assert found.requirements[0].startswith("scikit-learn==")
