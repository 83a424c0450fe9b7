"""What clients have sent and not finished takes a bounded amount of memory, and others are served meanwhile."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest
from test_connection import LIMITS, answer, connected
from wire import Wire, message, post

from trainyard.image.serve.http.limits import LEAST_BUFFER, Buffers, buffer_bytes
from trainyard.settings.image import ImageSettings

MIB = 1 << 20
ASK = post("/sum", message([[1, 2]]))
TOKEN = "secret-1"


def resident(daemon):
    """MiB of all processes."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in daemon.family()]
    return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in texts) / 1024


@pytest.fixture
def send(request):
    """``send(daemon, data)``: a connection that has sent as much of it as the server took."""
    with contextlib.ExitStack() as stack:

        def run(daemon, data):
            host, port = daemon.url.removeprefix("http://").split(":")
            client = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            with contextlib.suppress(OSError):
                client.sendall(data)
            return client

        yield run


def answers(daemon, headers=()):
    with Wire(daemon.url) as wire:
        assert wire.ask(post("/sum", message([[1, 2]]), *headers)).payload["predictions"] == [3]


@pytest.mark.parametrize(
    ("settings", "memory", "workers", "mebibytes"),
    [
        ({}, 0, 2, 64),
        ({"max_body_mb": 100}, 0, 2, 400),
        ({"max_body_mb": 1}, 0, 2, 64),
        ({"buffer_mb": 20}, 300 * MIB, 8, 20),
        ({}, 512 * MIB, 2, 64),
        ({}, 320 * MIB, 2, 40),
        ({}, 320 * MIB, 8, 16),
    ],
)
def test_the_bound_is_a_setting_or_follows_from_the_memory(settings, memory, workers, mebibytes):
    assert buffer_bytes(ImageSettings(**settings), memory, workers) // MIB == mebibytes
    assert LEAST_BUFFER == 64 * MIB


def test_what_holds_the_most_gives_up_and_says_so():
    buffers = Buffers(300_000)
    with connected(buffers=buffers) as (small, one, _), connected(buffers=buffers) as (large, other, _):
        small.sendall(ASK[:-5])
        one.receive()
        large.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(20):
                large.sendall(b" " * 50_000)
                other.receive()
        assert buffers.given_up == [other]
        assert buffers.total < 1000
        refused = large.recv(4096)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in refused
        small.sendall(ASK[-5:])
        one.receive()
        assert one.busy
        assert buffers.total == 0


@pytest.mark.parametrize("piece", [b"2\r\n  \r\n", b"40\r\n" + b" " * 64 + b"\r\n"])
def test_a_body_of_small_chunks_is_whole(piece):
    with connected(LIMITS) as (client, connection, requests):
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.receive()
        for _ in range(10):
            client.sendall(piece * 1000)
            connection.receive()
        client.sendall(b"1\r\nx\r\n0\r\n\r\n")
        connection.receive()
        assert len(connection._body) == 0
    assert requests[0].body.strip() == b"x"
    assert len(requests[0].body) == 10_000 * piece.count(b" ") + 1


def test_requests_that_wait_behind_another_count():
    buffers = Buffers(1_000_000)
    with connected(buffers=buffers) as (client, connection, requests):
        client.sendall(b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 2000)
        connection.receive()
        assert connection.busy
        assert buffers.given_up == [connection]
        assert buffers.total == 0
        with pytest.raises(ConnectionError):
            answer(connection, requests[0])
        answered = client.recv(1 << 16)
        assert (answered.count(b"HTTP/1.1 200 "), answered.count(b"HTTP/1.1 503 ")) == (1, 1)


def test_what_was_answered_counts_no_more():
    buffers = Buffers(1 << 26)
    with connected(buffers=buffers) as (client, connection, requests):
        client.sendall(b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 50 + b"GET /")
        connection.receive()
        assert buffers.total > 50_000
        for number in range(50):
            if connection in buffers.later:
                connection.go_on()
            answer(connection, requests[number])
        assert 0 < buffers.total < 2000
        client.sendall(b" HTTP/1.1\r\nHost:\r\n\r\n")
        connection.receive()
        assert buffers.total == 0


@pytest.mark.slow
def test_unfinished_bodies_are_bounded_and_others_are_served(start, send):
    daemon = start("basic", WORKERS="2")
    daemon.all_workers(2)
    before = resident(daemon)
    sent = []
    attack = b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (16 * MIB) + b" " * (16 * MIB - 1)
    sender = threading.Thread(target=lambda: sent.extend(send(daemon, attack) for _ in range(30)))
    sender.start()
    while sender.is_alive():
        answers(daemon)
    sender.join()
    assert resident(daemon) - before < 2 * 64 + 80
    refused = [client for client in sent if received(client).startswith(b"HTTP/1.1 503 ")]
    assert len(refused) > 15
    answers(daemon)


def received(client):
    client.settimeout(0.1)
    with contextlib.suppress(OSError):
        return client.recv(4096)
    return b""


@pytest.mark.slow
def test_a_client_without_a_token_is_refused_before_its_body(start, send):
    daemon = start("basic", WORKERS="1", API_TOKEN=TOKEN)
    before = resident(daemon)
    head = b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (16 * MIB)
    for more in (b"", b"Expect: 100-continue\r\n", b"Authorization: Bearer wrong\r\n"):
        refused = send(daemon, head + more + b"\r\n").recv(4096)
        assert refused.startswith(b"HTTP/1.1 401 ")
        assert b"WWW-Authenticate: Bearer" in refused
    bearer = b"Authorization: Bearer %s\r\nExpect: 100-continue\r\n\r\n" % TOKEN.encode()
    assert send(daemon, head + bearer).recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
    for _ in range(20):
        client = send(daemon, head + b"\r\n" + b" " * (16 * MIB - 1))
        assert client.recv(4096).startswith(b"HTTP/1.1 401 ")
    assert resident(daemon) - before < 30
    answers(daemon, [f"Authorization: Bearer {TOKEN}"])


@pytest.mark.slow
def test_half_sent_heads_and_bursts_are_bounded(start, send):
    daemon = start("basic", WORKERS="1", BUFFER_MB="16")
    before = resident(daemon)
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(7))
    heads = [send(daemon, head) for _ in range(600)]
    burst = post("/slow", message([[1]])) + b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 9000
    bursts = [send(daemon, burst) for _ in range(50)]
    answers(daemon)
    assert resident(daemon) - before < 16 + 60
    assert sum(received(client).startswith(b"HTTP/1.1 503 ") for client in heads) > 200
    assert bursts
