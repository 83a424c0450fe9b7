"""Requests for fuzzing: by strategies of hypothesis, and mutated from good ones, which is a hundred times as quick."""

from __future__ import annotations

import codecs
import gzip
import json
import random
import zlib
from collections.abc import Callable

import people
from hypothesis import strategies as st
from wire import post

ROUTES = ("/people/encoded", "/people/plain", "/free", "/gone", "/invocations")
MODELS = ("people%2Fencoded", "people/plain", "free", "gone", "none", "..")
PAGES = ("/", "/docs", "/openapi.json", "/health", "/livez", "/readyz", "/readyz/free", "/metrics", "/ping", "/v2")
CONTENT_TYPES = (
    "application/json", "text/csv", "text/csv; charset=utf-16", "application/x-ndjson", "application/jsonl",
    "application/octet-stream", "text/plain", "multipart/form-data; boundary=x", "", ";;", "application/json;" * 50,
)  # fmt: skip
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
    "deflate": zlib.compress,
    "Deflate": lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS),
    "gzip, deflate": lambda body: zlib.compress(gzip.compress(body)),
    "identity": lambda body: codecs.BOM_UTF8 + body,
}
DATATYPES = ("BOOL", "UINT8", "INT64", "FP16", "FP32", "FP64", "BYTES", "FP128", "")

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(("clerk", 30, 40.5)),
    st.sampled_from((1 << 63, -(1 << 64), 10**400, 1e308, -0.0, "\0", "\ud800", "NaN", "1e999", "💥" * 50)),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
row = st.one_of(
    st.tuples(st.integers(0, 100), st.sampled_from(("clerk", "cook, head", "?")), st.floats(0, 99)).map(list),
    st.lists(scalars, min_size=2, max_size=4),
    st.fixed_dictionaries({"age": scalars, "job": scalars, "hours": scalars}),
    values,
)
rows = st.lists(row, max_size=4)
messages = st.one_of(
    st.builds(lambda rows: {"payload": {"instances": rows}}, rows),
    st.builds(lambda rows, more: {"payload": {"instances": rows, "more": more}, "more": more}, rows, values),
    st.builds(lambda rows: {"instances": rows}, rows),
    st.builds(lambda value: {"payload": value}, values),
    values,
)
tensor = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(("age", "job", "hours", "rows", "", "💥")) | values,
        "shape": st.lists(st.integers(-1, 5) | st.sampled_from((1 << 40, 1.5, None)), max_size=4) | values,
        "datatype": st.sampled_from(DATATYPES) | values,
        "data": st.lists(scalars, max_size=6) | values,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 40) | values}) | values,
    },
)
inference = st.fixed_dictionaries(
    {"inputs": st.lists(tensor, max_size=3) | values},
    optional={
        "id": values,
        "parameters": st.fixed_dictionaries({"binary_data_output": values}) | values,
        "outputs": st.lists(st.fixed_dictionaries({"name": scalars}, optional={"parameters": values}), max_size=2),
    },
)


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


cell = st.sampled_from(("30", "clerk", "", '"', '"a\nb"', "age", "1e999", "nan", "\0", "ä", "'")) | st.text(max_size=6)
csv = st.lists(st.lists(cell, max_size=4).map(",".join), max_size=5).map("\r\n".join).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)  # fmt: skip
lines = st.lists(st.binary(max_size=10) | values.map(as_json), max_size=4).map(b"\n".join)
nested = st.builds(
    lambda left, depth, right: (left * depth + right * depth).encode(),
    st.sampled_from(("[", '{"payload":', '{"instances":[')), st.integers(1, 3000), st.sampled_from(("]", "}", "]}")),
)  # fmt: skip
bodies = st.one_of(
    messages.map(as_json), messages.map(as_json), inference.map(as_json), csv, lines, nested, st.binary(max_size=60)
)
header = st.one_of(
    st.sampled_from(CONTENT_TYPES).map(lambda value: f"Content-Type: {value}"),
    st.sampled_from(("gzip", "identity", "br, gzip", "")).map(lambda value: f"Content-Encoding: {value}"),
    st.sampled_from(("0", "5", "99", "-1", "9" * 30, "x", "")).map(lambda v: f"Inference-Header-Content-Length: {v}"),
    st.sampled_from(("free", "none", "/", "..")).map(lambda name: f"X-Amzn-SageMaker-Target-Model: {name}"),
    st.sampled_from(("Expect: 100-continue", "Connection: keep-alive", "Accept: text/html;q=x", "Cookie: a=b; c",
                     "Range: bytes=0-", "If-None-Match: *", "X-Forwarded-For: " + "1" * 4000)),
    st.tuples(st.sampled_from(("X-Request-Id", "X-Odd", "Authorization", "Origin", "User-Agent")),
              st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30))
    .map(lambda pair: f"{pair[0]}: {pair[1].strip()}"),
)  # fmt: skip
paths = st.one_of(
    st.sampled_from(ROUTES),
    st.sampled_from(ROUTES),
    st.sampled_from(MODELS).map(lambda name: f"/v2/models/{name}/infer"),
    st.sampled_from(PAGES),
    st.builds(
        lambda parts, query: "/" + "/".join(parts) + query,
        st.lists(st.sampled_from(("free", "people", "..", ".", "", "%2e%2e", "%00", "%", "%ff", "%2F", "v2", "models",
                                  "docs", "style.css", "views.py", "infer", "versions", "a" * 3000)), max_size=5),
        st.sampled_from(("", "?", "?a=b&a=%zz", "?" + "q" * 3000)),
    ),
)  # fmt: skip
methods = st.sampled_from(("POST",) * 20 + ("GET", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"))


def chunked(body: bytes, size: int, extension: str) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension.encode(), piece) for piece in pieces) + b"0\r\n\r\n"


@st.composite
def whole_request(draw) -> tuple[str, bytes]:
    """Method and bytes of a request whose framing is as it should be, whatever it says."""
    method, path, headers = draw(methods), draw(paths), draw(st.lists(header, max_size=3))
    body = draw(bodies) if method == "POST" or draw(st.booleans()) else b""
    if body and not draw(st.integers(0, 4)):
        name = draw(st.sampled_from(list(PACKERS)))
        body = PACKERS[name](body)
        headers = [*headers, f"Content-Encoding: {name}"]
    if draw(st.integers(0, 4)):
        headers = [*headers, f"Content-Length: {len(body)}"]
    else:
        body = chunked(body, draw(st.sampled_from((1, 7, 1000))), draw(st.sampled_from(("", ";a=b"))))
        headers = [*headers, "Transfer-Encoding: chunked"]
    head = "\r\n".join((f"{method} {path} HTTP/1.1", "Host: test", *headers, "", ""))
    return method, head.encode("latin-1") + body


@st.composite
def broken_request(draw) -> bytes:
    """Bytes whose framing is not as it should be, or may not be."""
    _, data = draw(whole_request())
    start = draw(st.integers(0, len(data)))
    end = start + draw(st.sampled_from((0, 1, 5, len(data))))
    insert = draw(
        st.binary(max_size=8)
        | st.sampled_from((b"\r\n", b"\n", b"\0", b":", b" ", b"Content-Length: 3\r\n",
                           b"Content-Length: 99999999999\r\n", b"Transfer-Encoding: chunked\r\n",
                           b"Transfer-Encoding: x\r\n", b"Expect: 100-continue\r\n",
                           b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                           b"X: " + b"y" * 9000 + b"\r\n", b"Z: z\r\n" * 12000, b"ffffffffffffffff\r\n"))
    )  # fmt: skip
    return data[:start] + insert + data[end:]


class Mutator:
    """Good requests of every protocol, and what is left of them after a few changes. Their framing stays right."""

    def __init__(self, number: int) -> None:
        self._chance = random.Random(number)
        rows = {"payload": {"instances": people.SAMPLE}}
        keyed = [dict(zip(people.COLUMNS, row, strict=True)) for row in people.SAMPLE]
        tensors = [
            {"name": "age", "shape": [2], "datatype": "INT64", "data": [30, 50]},
            {"name": "job", "shape": [2, 1], "datatype": "BYTES", "data": ["clerk", "none"]},
            {"name": "hours", "shape": [2], "datatype": "FP64", "data": [40, 20.5]},
        ]
        matrix = {"name": "rows", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
        binary = as_json({"inputs": [matrix], "parameters": {"binary_data_output": True}})
        length = f"Inference-Header-Content-Length: {len(binary)}"
        self._corpus: list[tuple[str, bytes, tuple[str, ...]]] = [
            *((route, as_json(rows), ()) for route in ROUTES),
            ("/people/encoded", as_json({"payload": {"instances": keyed}}), ()),
            ("/people/plain", b'age,job,hours\r\n30,clerk,40\r\n50,"cook, head",20.5\r\n', ("Content-Type: text/csv",)),
            ("/people/encoded", b"\n".join(map(as_json, people.SAMPLE)), ("Content-Type: application/x-ndjson",)),
            ("/invocations", as_json(rows), ("X-Amzn-SageMaker-Target-Model: people/plain",)),
            *((f"/v2/models/{name}/infer", as_json({"id": "1", "inputs": tensors}), ()) for name in MODELS[:2]),
            ("/v2/models/free/infer", binary + bytes(range(16)), (length,)),
            ("/v2/models/free/infer", as_json({"inputs": [matrix | {"parameters": {}, "data": [1, 2, 3, 4]}]}), ()),
        ]
        self._bits = [b"0", b"-", b"9" * 400, b"null", b"[", b"]", b"{", b"}", b'"', b",", b":", b"\0", b"\xff",
                      b"\r\n", b"1e999", b"NaN", b"\\ud800", "💥".encode(), b"clerk", b"true", b"[[[["]  # fmt: skip

    def request(self) -> tuple[str, bytes]:
        """Method and bytes."""
        chance = self._chance
        if chance.random() < 0.05:
            return self._page()
        path, body, headers = chance.choice(self._corpus)
        if chance.random() < 0.1:
            name = chance.choice(list(PACKERS))
            body, headers = PACKERS[name](body), (*headers, f"Content-Encoding: {name}")
        for _ in range(chance.choice((0, 1, 1, 2, 4))):
            body = self._changed(body)
        if chance.random() < 0.05:
            headers = (*headers, f"Content-Type: {chance.choice(CONTENT_TYPES)}")
        if chance.random() < 0.1:
            head = "\r\n".join((f"POST {path} HTTP/1.1", "Host: test", "Transfer-Encoding: chunked", *headers, "", ""))
            return "POST", head.encode() + chunked(body, chance.randint(1, 300), "")
        return "POST", post(path, body, *headers)

    def _page(self) -> tuple[str, bytes]:
        method, path = self._chance.choice(("GET", "HEAD", "OPTIONS", "PUT")), self._chance.choice(PAGES + ROUTES)
        return method, f"{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()

    def _changed(self, body: bytes) -> bytes:
        chance = self._chance
        start = chance.randint(0, len(body))
        end = min(len(body), start + chance.choice((0, 0, 1, 2, 8)))
        kind = chance.randrange(4)
        if kind == 0:
            return body[:start] + chance.choice(self._bits) + body[end:]
        if kind == 1:
            return body[:start] + chance.randbytes(chance.randint(1, 4)) + body[end:]
        if kind == 2:
            return body[:start] + body[end:] if chance.random() < 0.8 else body[:start]
        other = chance.choice(self._corpus)[1]
        cut = chance.randint(0, len(other))
        return body[:start] + other[cut : cut + chance.randint(0, 60)] + body[end:]
