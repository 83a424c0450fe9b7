"""Text of others in the report stays text, whatever a host makes of Markdown."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from trainyard.host.ci.markdown import MOST, code, image, table

HOST = MarkdownIt("gfm-like", {"linkify": False}).enable("table")
ODD = [
    "a|b", "`x`", "line\nline", "<b>bold</b>", "<script>alert(1)</script>", "$(touch /tmp/x)", "*a* _b_ __c__ ~~d~~",
    "[a](http://x.y)", "![a](b)", "</code>", "&#124;", "@someone", "#12", "https://x.y www.x.y a@b.c", "\u202eabc",
    "\\|", "--- | ---", "<!-- -->", "a\r\n\r\n# b", "$x$", "\x1b[31m", ":tada:", "log_loss", "'\"", "\udc80",
]  # fmt: skip


def rendered(content: str) -> str:
    """The cell of a table as a host shows it."""
    page = HOST.render("\n".join(table(("a", "b"), [(code(content), "end")])))
    cells = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    assert len(cells) == 2, page
    assert cells[1] == "end"
    found = re.fullmatch(r"(?:<code>([^<>]*)</code>)?", cells[0])
    assert found, page
    return html.unescape(found[1] or "")


@pytest.mark.parametrize("content", ODD)
def test_odd_texts_are_shown_as_they_are(content: str) -> None:
    shown = re.sub("[\u202e\x1b\udc80]", " ", content)
    assert rendered(content) == " ".join(shown.split())


@given(st.text(max_size=100))
def test_any_text_stays_in_its_cell(content: str) -> None:
    assert len(rendered(content)) <= len(content)


def test_a_long_text_is_cut() -> None:
    assert rendered("x" * 9999) == "x" * (MOST - 3) + "..."


def test_hosts_look_for_people_and_issues_in_vain() -> None:
    """They look in the text outside of code; links are made of what has a colon or begins with www."""
    source = code("@someone #12 https://x.y www.x.y a@b.c group/project!3 $5 ~label")
    assert not re.search(r"[@!~:$]|#(?!\d+;)|www\.", source)


def test_the_path_of_a_picture_is_a_path() -> None:
    page = HOST.render(image("a](b", "../runs/a b)|<x>.png"))
    assert page == '<p><img src="../runs/a%20b%29%7C%3Cx%3E.png" alt="a](b" /></p>\n'
