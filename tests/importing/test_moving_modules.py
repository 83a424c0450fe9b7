"""Imports follow modules that moved, and nothing else in a file changes."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.host.scaffold.importing.python_code import Code, with_moves

MOVES = {"shop": "shop_2", "shop.lib": "shop_2.common_utils.lib", "utils.io": "shop_2.common_utils.io"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from shop.linear.train import train\n", "from shop_2.linear.train import train\n"),
        ("from shop import lib, linear\n", "from shop_2.common_utils import lib; from shop_2 import linear\n"),
        ("from utils import io as files\n", "from shop_2.common_utils import io as files\n"),
        ("from utils.io import read\n", "from shop_2.common_utils.io import read\n"),
        ("from utils import other\n", "from utils import other\n"),
        ("import shop.lib.deep as deep\n", "import shop_2.common_utils.lib.deep as deep\n"),
        ("import shop.lib\nshop.lib.f(shop)\n", "import shop_2.common_utils.lib\nshop_2.common_utils.lib.f(shop_2)\n"),
        ("import os, shop.linear\nshop.linear.go()\n", "import os, shop_2.linear\nshop_2.linear.go()\n"),
        ("from . import shop\nfrom .shop import x\n", "from . import shop\nfrom .shop import x\n"),
        ("shop = 1\nprint('import shop', shop)\n", "shop = 1\nprint('import shop', shop)\n"),
        ("# é\r\nfrom shop import (\r\n    a,\r\n)\r\n", "# é\r\nfrom shop_2 import (\r\n    a,\r\n)\r\n"),
        ("def f(:\n", "def f(:\n"),
    ],
)  # fmt: skip
def test_imports_follow(before: str, after: str) -> None:
    assert with_moves(before.encode(), MOVES).decode() == after


def test_other_encodings_stay() -> None:
    text = "# coding: latin-1\nname = 'é'; import shop\n"
    assert with_moves(text.encode("latin-1"), MOVES) == text.replace("import shop", "import shop_2").encode("latin-1")
    assert with_moves(b"\xef\xbb\xbfimport shop\n", MOVES) == b"\xef\xbb\xbfimport shop_2\n"


NAMES = st.sampled_from(["shop", "shop.lib", "shop.linear", "utils", "utils.io", "os", "json.decoder", "shopping"])
STATEMENTS = st.one_of(
    NAMES.map(lambda name: f"import {name}"),
    NAMES.map(lambda name: f"import {name} as it"),
    st.tuples(NAMES, st.lists(st.sampled_from(["io", "lib", "x", "y as z"]), min_size=1, max_size=3, unique=True)).map(
        lambda pair: f"from {pair[0]} import {', '.join(pair[1])}"
    ),
    st.sampled_from(["x = 'shop.lib'", "if x:\n    import shop.lib as d; y = 1", "# shop", "print(os.path)"]),
)


@given(st.lists(STATEMENTS, max_size=8))
def test_no_moved_module_is_imported_by_its_old_name(statements: list[str]) -> None:
    before = "\n".join(statements)
    after = Code(with_moves(before.encode(), MOVES))
    assert after.tree is not None
    for one in after.imports:
        full = {one.module, *(f"{one.module}.{name}" for name in one.names)}
        assert not [name for name in full if name == "shop" or name.startswith(("shop.", "utils.io"))], before
    bound = [len(node.names) for node in ast.walk(ast.parse(before)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert sum(max(len(one.names), 1) for one in after.imports) == sum(bound)


@pytest.mark.parametrize(
    "text",
    [f"x = a{'.b' * 20_000}\n", f"x = {'(' * 5_000}\n", f"@a{'.b' * 5_000}\ndef f(x: a{'[b' * 80}{']' * 80}): pass\n",
     "x = " + "-" * 50_000 + "1\n", f"import a{'.b' * 5_000}\n"],
)  # fmt: skip
def test_code_that_is_nested_without_end_is_read(text: str) -> None:
    code = Code(text.encode())
    assert len(code.imports) <= 1 and len(code.functions) <= 1 and not code.attributes_of("c")
    assert with_moves(text.encode(), MOVES) == text.encode()


@given(st.binary(max_size=200))
def test_any_file_is_read_without_an_error(content: bytes) -> None:
    code = Code(content)
    assert (code.tree is None) == bool(code.error)
    assert with_moves(content, {}) == content
