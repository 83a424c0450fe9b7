"""No secret gets through a Masked reporter, however it is written or cut."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.host.retrain.sources.masking import Mask, Masked
from trainyard.host.support.reporter import Recording

SECRET = 'p@ss/w0rd "x" +é'
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=6, max_size=20)


@pytest.mark.parametrize(
    "written",
    [
        SECRET, quote(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").lower(), quote_plus(SECRET),
        quote(quote(SECRET, safe="")), json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1],
    ],
)  # fmt: skip
def test_the_ways_to_write_it(written: str) -> None:
    assert Mask([SECRET]).text(f"before {written} after") == "before *** after"
    assert Mask([SECRET]).content(f"before {written} after".encode()) == b"before *** after"


@given(SECRETS, st.text(max_size=12), st.text(max_size=12), st.booleans())
def test_base64_beside_whatever(secret: str, before: str, after: str, for_urls: bool) -> None:
    """As ``Authorization: Basic`` has it: not enough is left to find the secret out."""
    encode = base64.urlsafe_b64encode if for_urls else base64.b64encode
    written = encode(f"{before}:{secret}{after}".encode()).decode()
    masked = Mask([secret]).text(written)
    assert "***" in masked
    kept = sum(map(len, masked.split("***")))
    assert kept <= len(encode(f"{before}:{after}".encode())) + 8


@given(SECRETS, st.binary(max_size=30), st.binary(max_size=30), st.lists(st.integers(0, 100), max_size=8))
def test_pieces(secret: str, before: bytes, after: bytes, cuts: list[int]) -> None:
    """Wherever output is cut, what is passed on is what it would be in one piece."""
    whole = before + secret.encode() + after
    reporter = Passed()
    with Masked(reporter, [secret]) as masked:
        for start, end in pairwise([0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]):
            masked.output(whole[start:end], False)
    assert secret.encode() not in reporter.content
    assert reporter.content == Mask([secret]).content(whole)


class Passed(Recording):
    """Keeps output as bytes."""

    content = b""

    def output(self, content: bytes, is_error: bool) -> None:
        self.content += content


def test_two_streams_are_cut_each_for_itself() -> None:
    reporter = Recording()
    masked = Masked(reporter, ["s3cr3t"])
    masked.output(b"a s3c", False)
    masked.output(b"b s3", True)
    masked.output(b"r3t\n", False)
    masked.output(b"cr3t\n", True)
    assert "".join(reporter.noted("output")) == "a ***\n"
    assert "".join(reporter.noted("error output")) == "b ***\n"


def test_what_cannot_be_the_beginning_of_one_is_passed_on_at_once() -> None:
    reporter = Recording()
    masked = Masked(reporter, ["s3cr3t"])
    masked.output(b"50 %\rs3", False)
    assert reporter.noted() == ["50 %\r"]
    masked.output(b"x", False)
    assert "".join(reporter.noted()) == "50 %\rs3x"
    masked.output(b"s3c", False)
    masked.flush()
    assert "".join(reporter.noted()) == "50 %\rs3xs3c"


@pytest.mark.parametrize("secrets", [["abc123", "abc123xyz"], ["abcabcd"], ["xabcx", "abc"], ["aXbXa"]])
def test_secrets_that_begin_like_others(secrets: list[str]) -> None:
    for text in ("abc123xyz abc123", "abcabcabcd", "xabcx abc", "aXbXaXbXa ab"):
        for cut in range(len(text)):
            reporter = Recording()
            with Masked(reporter, secrets) as masked:
                masked.output(text[:cut].encode(), False)
                masked.output(text[cut:].encode(), False)
            assert "".join(reporter.noted()) == Mask(secrets).text(text), (text, cut)


class Showing(Recording):
    """Shows what is only for a terminal, too."""

    def progress(self):  # type: ignore[no-untyped-def]
        return _Given(lambda text: self.note("line", text))

    def counting(self, what: str, total: int):  # type: ignore[no-untyped-def]
        self.note("line", what)
        return _Given(lambda number, remark: self.note("line", remark))

    def status(self, text: str) -> bool:
        self.note("line", text)
        return True


class _Given:
    def __init__(self, value: object) -> None:
        self._value = value

    def __enter__(self) -> object:
        return self._value

    def __exit__(self, *_: object) -> None:
        pass


def test_every_method_masks() -> None:
    reporter = Showing()
    masked = Masked(reporter, ["s3cr3t", "", "other one"])
    text = "a s3cr3t and other one"
    for method in (masked.step, masked.warn, masked.line, masked.would, masked.status):
        method(text)
    with masked.waiting(text), masked.progress() as show, masked.counting(text, 3) as count:
        show(text)
        assert count
        count(1, text)
    masked.output(text.encode() + b"\n", True)
    assert len(reporter.noted()) == 10
    assert {line.strip() for line in reporter.noted()} == {"a *** and ***"}


def test_without_secrets_all_is_passed_on() -> None:
    reporter = Recording()
    Masked(reporter, []).output(b"as it is", False)
    assert reporter.noted() == ["as it is"]
