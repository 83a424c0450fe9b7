"""What a commit's message asks for."""

from __future__ import annotations

import pytest

from trainyard.host.ci.commit_mark import Asked, asked_by

TRAIN = Asked(False, ())


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("[train]", TRAIN), ("[train] more trees\n\nand why", TRAIN), ("[cml] as before", TRAIN),
        ("[tune]", Asked(True, ())), ("\n[train]", TRAIN), ("[train sums/one] x", Asked(False, ("sums/one",))),
        ("[train  a/b c/d  a/b ]", Asked(False, ("a/b", "c/d"))), ("[tune a/b]", Asked(True, ("a/b",))),
        ("[train $(touch /tmp/x) `y` \"z\" ';']", Asked(False, ("$(touch", "/tmp/x)", "`y`", '"z"', "';'"))),
        ("", None), ("more trees [train]", None), ("[trainer]", None), ("[train", None), ("[train a\nb]", None),
        ("[Train]", None), ("train", None), ("[skip ci] [train]", None), ("[train [x]]", None),
    ],
)  # fmt: skip
def test_marks(message: str, asked: Asked | None) -> None:
    assert asked_by(message) == asked
