"""Bodies in an encoding: compressed, in every protocol, or behind a byte order mark; and what is no good one."""

import gzip
import json
import re
import select
import zlib
from pathlib import Path

import pytest
import requests
import town
from hypothesis import given
from hypothesis import strategies as st
from wire import Wire, post

from trainyard.errors import BadRequest, TrainyardError
from trainyard.image.serve.content_encoding import MOST_MEMBERS, UnknownEncoding, UnpacksTooLarge, unpacked

MOST = 1 << 20
MIB = 1 << 20
ROWS = [[120, "Köln"], [80, "Bonn"]]
PREDICTED = ["dear", "cheap"]
TENSORS = [
    {"name": "size", "datatype": "INT64", "shape": [2], "data": [120, 80]},
    {"name": "city", "datatype": "BYTES", "shape": [2], "data": ["Köln", "Bonn"]},
]


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


PACK = {"gzip": gzip.compress, "X-GZIP": gzip.compress, "deflate": zlib.compress, "Deflate": raw_deflate}
codings = st.lists(st.sampled_from([*PACK, "identity", ""]), max_size=4).filter(
    lambda names: sum(name in PACK for name in names) <= 2
)


def packed(data: bytes, names: list[str]) -> bytes:
    for name in names:
        data = PACK.get(name, bytes)(data)
    return data


# -- what a body holds --------------------------------------------------------------------------------------------


@given(
    data=st.binary(max_size=300), repeat=st.sampled_from([1, 1000]), names=codings, spaces=st.sampled_from(["", " "])
)
def test_what_was_packed_is_unpacked(data, repeat, names, spaces):
    encoding = f",{spaces}".join(names).encode()
    assert unpacked(packed(data * repeat, names), encoding, MOST) == data * repeat


@given(pieces=st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_a_gzip_body_may_have_several_members(pieces):
    assert unpacked(b"".join(map(gzip.compress, pieces)), b"gzip", MOST) == b"".join(pieces)


@given(
    body=st.binary(max_size=60) | st.builds(
        lambda data, names, start, end, more: packed(data, names)[start : end or None] + more,
        st.binary(max_size=60), codings, st.integers(0, 3), st.integers(-12, 0), st.binary(max_size=8),
    ),
    encoding=st.sampled_from([b"gzip", b"deflate", b"gzip, deflate", b"deflate,deflate", b"br"])
    | st.binary(max_size=20),
)  # fmt: skip
def test_any_bytes_of_any_encoding_are_unpacked_or_refused_in_one_line(body, encoding):
    try:
        assert isinstance(unpacked(body, encoding, MOST), bytes)
    except TrainyardError as error:
        assert error.http_status in (400, 413, 415)
        assert error.hint
        assert "\n" not in str(error) or b"\n" in encoding


@pytest.mark.parametrize("size", [MOST - 1, MOST, MOST + 1, 2 * MOST])
@pytest.mark.parametrize("names", [["gzip"], ["deflate"], ["gzip", "gzip"]])
def test_the_limit_is_what_the_body_holds(size, names):
    body, encoding = packed(bytes(size), names), ",".join(names).encode()
    if size <= MOST:
        assert unpacked(body, encoding, MOST) == bytes(size)
    else:
        with pytest.raises(UnpacksTooLarge, match="unpacks to more than 1 MiB: send fewer rows"):
            unpacked(body, encoding, MOST)


def test_members_add_up_to_the_limit():
    with pytest.raises(UnpacksTooLarge):
        unpacked(gzip.compress(bytes(MOST // 2)) * 3, b"gzip", MOST)


GOOD = gzip.compress(b"some text that is long enough")
BAD = {
    "not gzip": (b"{}", b"gzip", "is not good gzip data"),
    "not deflate": (b"\xff" * 9, b"deflate", "is not good deflate data"),
    "gzip without its end": (GOOD[:-3], b"gzip", "ends within its gzip data"),
    "deflate without its end": (zlib.compress(b"text")[:-1], b"deflate", "ends within its deflate data"),
    "a byte that changed": (GOOD[:-8] + b"\0\0\0\0" + GOOD[-4:], b"gzip", "not good gzip data (incorrect data check)"),
    "something behind gzip": (GOOD + b"text", b"gzip", "4 bytes follow the gzip data"),
    "something behind deflate": (raw_deflate(b"text") + b"text", b"deflate", "4 bytes follow the deflate data"),
    "half a second member": (GOOD + GOOD[:12], b"gzip", "ends within its gzip data"),
    "too many members": (gzip.compress(b"") * (MOST_MEMBERS + 1), b"gzip", "compress it as a whole"),
    "gzip once and named twice": (GOOD, b"gzip, gzip", "is not good gzip data"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_good_compression_is_refused(case):
    body, encoding, reason = BAD[case]
    with pytest.raises(BadRequest, match=re.escape(reason)):
        unpacked(body, encoding, MOST)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "gzip, gzip, gzip", "gzip;q=1", "compress", "x-deflat"])
def test_an_unknown_encoding_is_named_with_those_that_are_known(encoding):
    with pytest.raises(UnknownEncoding, match=f"{encoding} is not understood: send gzip, deflate, or uncompressed"):
        unpacked(b"x", encoding.encode(), MOST)


# -- over HTTP ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(start, tmp_path_factory):
    folder = town.build(
        tmp_path_factory.mktemp("town") / "action",
        "value:town.houses.predict:predict_value,echo:town.sums.predict:echo,slow:town.sums.predict:slow",
    )
    return start(folder, WORKERS="1", AIP_PREDICT_ROUTE="/value", AIP_HEALTH_ROUTE="/healthy")


def send(server, path: str, body: bytes, encoding: str, content_type: str = "application/json"):
    headers = {
        "Content-Encoding": encoding,
        "Content-Type": content_type,
        "X-Amzn-SageMaker-Target-Model": "value",
    }
    return requests.post(f"{server.url}/{path}", data=body, headers=headers, timeout=20)


ECHOED = {"payload": {"predictions": [[1, 2, 3], [4, 5, 6]]}}
REQUESTS = {
    "native": ("echo", {"payload": {"instances": [[1, 2, 3], [4, 5, 6]]}}, "application/json", ECHOED),
    "csv": ("echo", "1,2,3\n4,5,6\n", "text/csv", ECHOED),
    "json lines": ("echo", "[1, 2, 3]\n[4, 5, 6]\n", "application/x-ndjson", ECHOED),
    "vertex": ("value", {"instances": ROWS}, "application/json", {"predictions": PREDICTED}),
    "sagemaker": ("invocations", {"instances": ROWS}, "application/json", {"predictions": PREDICTED}),
    "sagemaker csv": ("invocations", "120,Köln\n80,Bonn\n", "text/csv", {"predictions": PREDICTED}),
    "v2": ("v2/models/value/infer", {"inputs": TENSORS}, "application/json", {"model_name": "value"}),
}


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("protocol", REQUESTS)
def test_every_protocol_takes_compressed_bodies(server, protocol, encoding):
    path, body, content_type, expected = REQUESTS[protocol]
    text = body if isinstance(body, str) else json.dumps(body)
    response = send(server, path, PACK[encoding](text.encode()), encoding, content_type)
    assert response.status_code == 200, response.text
    assert expected.items() <= response.json().items()


@pytest.mark.parametrize("protocol", REQUESTS)
def test_every_protocol_ignores_a_mark_and_refuses_utf16(server, protocol):
    path, body, content_type, expected = REQUESTS[protocol]
    text = body if isinstance(body, str) else json.dumps(body)
    assert expected.items() <= send(server, path, text.encode("utf-8-sig"), "identity", content_type).json().items()
    refused = send(server, path, text.encode("utf-16"), "identity", content_type)
    assert (refused.status_code, "the body is UTF-16 text" in refused.text) == (400, True)


@pytest.mark.parametrize("protocol", REQUESTS)
@pytest.mark.parametrize(
    ("body", "encoding", "status", "reason"),
    [
        (b"x", "br", 415, "send gzip, deflate, or uncompressed"),
        (GOOD[:-3], "gzip", 400, "ends within its gzip data"),
        (gzip.compress(b""), "gzip", 400, "the body"),
        (b"", "gzip", 400, "the body"),
        (gzip.compress(bytes(17 * MIB)), "gzip", 413, "more than 16 MiB"),
    ],
    ids=["br", "cut", "empty gzip", "empty", "bomb"],
)
def test_every_protocol_refuses_in_its_own_shape(server, protocol, body, encoding, status, reason):
    path, _, content_type, _ = REQUESTS[protocol]
    response = send(server, path, body, encoding, content_type)
    answer = response.json()
    error = answer["payload"]["error"] if path == "echo" else answer["error"]
    assert (response.status_code, reason in error, "\n" in error) == (status, True, False), error


@pytest.mark.parametrize("length", [10, 100_000, 1_500_000])
def test_small_and_large_bodies_arrive_whole(server, length):
    rows = [[number, number + 0.5, 1] for number in range(length // 16)] or [[1, 2, 3]]
    body = gzip.compress(json.dumps({"payload": {"instances": rows}}).encode())
    assert send(server, "echo", body, "gzip").json() == {"payload": {"predictions": rows}}


def test_the_page_of_models_reads_compressed_bodies_too(server):
    path, asked = "v2/repository/index", gzip.compress(b'{"ready": true}')
    assert {entry["state"] for entry in send(server, path, asked, "gzip").json()} == {"READY"}
    statuses = [send(server, path, b"x", encoding).status_code for encoding in ("br", "gzip", "identity")]
    assert statuses == [415, 400, 400]


def test_the_length_of_the_tensors_header_counts_unpacked_bytes(server):
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP64", "parameters": {"binary_data_size": 24}}
    head = json.dumps({"inputs": [tensor]}).encode()
    for length, status in ((len(head), 200), (len(head) + 25, 400)):
        request = post(
            "/v2/models/echo/infer", gzip.compress(head + bytes(24)),
            "Content-Encoding: gzip", f"Inference-Header-Content-Length: {length}",
        )  # fmt: skip
        with Wire(server.url) as wire:
            assert wire.ask(request).status == status


def peak_memory(pid: int) -> int:
    """The most that a process has held since it started, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) << 10


@pytest.mark.slow
def test_bombs_take_the_memory_of_the_largest_body(server):
    (worker,) = server.workers()
    bomb = gzip.compress(bytes(256 * MIB))
    before = peak_memory(worker)
    paths = ("echo", "v2/models/echo/infer", "invocations", "v2/repository/index")
    for encoding, body in (("gzip", bomb), ("gzip, gzip", gzip.compress(bomb))) * 3:
        assert {send(server, path, body, encoding).status_code for path in paths} == {413}
    assert peak_memory(worker) - before < 128 * MIB


@pytest.mark.slow
def test_bodies_that_were_no_good_are_not_kept(server):
    (worker,) = server.workers()
    body = gzip.compress(b"[" * (15 * MIB))
    before = peak_memory(worker)
    assert {send(server, "echo", body, "gzip").status_code for _ in range(20)} == {400}
    assert peak_memory(worker) - before < 128 * MIB


@pytest.mark.slow
def test_a_large_compressed_body_keeps_nobody_waiting(server):
    rows = [[1.5, 2.5, 3.5]] * 600_000
    request = post(
        "/echo", gzip.compress(json.dumps({"payload": {"instances": rows}}).encode()), "Content-Encoding: gzip"
    )

    def is_overtaken() -> bool:
        with Wire(server.url) as large, Wire(server.url) as small:
            large.send(request)
            small.ask(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n", "GET")
            comes_later = not select.select([large.sock], [], [], 0)[0]
            assert len(large.read().payload["predictions"]) == len(rows)
            return comes_later

    assert any(is_overtaken() for _ in range(3))
