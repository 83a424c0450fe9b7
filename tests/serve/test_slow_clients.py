"""Clients that are silent, or stop in the middle of a request, take no thread for long."""

import contextlib
import http.client
import json
import socket
import time

import pytest
import requests

HEAD = b"POST /sum HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def connect():
    """``connect(daemon, sent)``: a connection that has sent those bytes and stays open."""
    with contextlib.ExitStack() as stack:

        def run(daemon, sent: bytes) -> socket.socket:
            host, port = daemon.url.removeprefix("http://").split(":")
            client = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            client.sendall(sent)
            return client

        yield run


@pytest.fixture(scope="module")
def hasty(start):
    """A daemon with two threads that waits two seconds for a head, and for the next byte of a body."""
    return start("basic", WORKERS="1", THREADS="2", HEAD_TIMEOUT="2", BODY_TIMEOUT="2", TIMEOUT="3")


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Content-Length: 50000000\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{",
    ],
    ids=["body", "large body", "chunk"],
)
def test_a_stalled_body_is_a_408_and_frees_its_thread(hasty, connect, sent):
    stalled = [connect(hasty, sent) for _ in range(7)]
    answer = http.client.HTTPResponse(stalled[0])
    answer.begin()
    assert answer.status == 408
    assert "no byte of it came for BODY_TIMEOUT=2 s" in json.load(answer)["payload"]["error"]
    for client in stalled:
        client.close()
    assert hasty.post("sum").json()["payload"]["predictions"] == [3]


def trickle(client, piece, seconds):
    """Send a piece again and again for so long, or until something is answered; the answer."""
    deadline = time.monotonic() + seconds
    client.settimeout(0.3)
    while time.monotonic() < deadline:
        client.sendall(piece)
        with contextlib.suppress(TimeoutError):
            return client.recv(4096)
    return b""


@pytest.mark.slow
def test_a_body_may_take_as_long_as_it_moves(hasty, connect):
    body = b'{"payload": {"instances": [[1, 2]]}}'
    client = connect(hasty, HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 100))
    assert trickle(client, b" ", 4) == b""
    client.settimeout(10)
    client.sendall(body + b" " * 100)
    assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_head_that_trickles_is_late(hasty, connect):
    answer = trickle(connect(hasty, HEAD + b"X-Slow: "), b"x", 6)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"HEAD_TIMEOUT=2 s" in answer


def test_a_stalled_head_is_a_408(hasty, connect):
    stalled = [connect(hasty, HEAD) for _ in range(2)]
    for client in stalled:
        assert client.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert hasty.post("sum").status_code == 200


def test_silent_connections_hold_no_thread(hasty, connect):
    for _ in range(7):
        connect(hasty, b"")
    assert requests.get(f"{hasty.url}/health", timeout=10).status_code == 200


def test_the_time_to_arrive_and_the_time_to_predict_are_counted_apart(hasty):
    with requests.Session() as session:
        for seconds in (2.5, 0):
            body = {"payload": {"instances": [[seconds]]}}
            answer = session.post(f"{hasty.url}/slow", json=body, timeout=20)
            assert answer.json()["payload"]["predictions"] == ["done"]
