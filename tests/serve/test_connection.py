"""The HTTP that a connection understands, however its bytes arrive."""

import contextlib
import itertools
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.image.serve.http.connection import Connection
from trainyard.image.serve.http.limits import MOST_AT_ONCE, Buffers, Limits
from trainyard.image.serve.request import Request, answer_bytes

LIMITS = Limits(body=1 << 20, head=30, silence=30, idle=75)
TWO = (
    b"POST /a?x=1 HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two: 2\r\nContent-Length: 3\r\n\r\nabc"
    b"POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
)


class Handler:
    """Keeps what it is given; a subclass may answer at once."""

    def __init__(self):
        self.requests = []

    def on_request(self, request):
        self.requests.append(request)

    def refusal(self, request):
        return None

    def failure_bytes(self, request, failure):
        return answer_bytes(request, failure.status, failure.text.encode(), more=failure.more)


@contextlib.contextmanager
def connected(limits=LIMITS, handler=None, buffers=None):
    """A client's socket, a connection that reads from it, and the list of requests that it found."""
    handler, buffers = handler or Handler(), buffers or Buffers(1 << 26)
    client, server = socket.socketpair()
    server.setblocking(False)
    client.settimeout(5)
    with client, server:
        yield client, Connection(server, limits, handler, buffers), handler.requests


def answer(connection, request):
    connection.answer(request, 200, request.body, "text/plain")


@given(st.sets(st.integers(1, len(TWO) - 1)))
def test_requests_are_the_same_wherever_their_bytes_are_cut(cuts):
    edges = [0, *sorted(cuts), len(TWO)]
    with connected() as (client, connection, requests):
        for start, end in itertools.pairwise(edges):
            client.sendall(TWO[start:end])
            connection.receive()
        assert [request.body for request in requests] == [b"abc"]  # the second waits for the answer to the first
        answer(connection, requests[0])
        first, second = requests
        assert (first.method, first.path, first.query, first.headers[b"x-two"]) == ("POST", b"/a", b"x=1", b"1, 2")
        assert (second.path, second.body) == (b"/b", b"def")
        answer(connection, second)
        assert client.recv(4096).count(b"HTTP/1.1 200 OK") == 2


def test_many_requests_that_waited_are_answered_one_after_another():
    """Each within the answer to the one before it would be as deep a recursion as a client likes."""
    seen = []

    class AtOnce(Handler):
        def on_request(self, request):
            seen.append(request.path)
            if request.path != b"/slow":
                connection.answer(request, 200, b"", "text/plain")

    with connected(handler=AtOnce()) as (client, connection, _):
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 1200)
        connection.receive()
        slow = Request(connection, "GET", b"/slow", b"", {}, b"", "1.1", True, 0.0)
        connection.answer(slow, 200, b"", "text/plain")
        assert len(seen) == MOST_AT_ONCE  # other connections are not kept waiting
        while not connection.sending:
            connection.go_on()
        assert len(seen) < 1200  # no more are answered than the client reads
        while connection.sending or connection.waiting:
            if connection.sending:
                client.recv(1 << 20)
                connection.flush()
            connection.go_on()
        assert seen == [b"/slow"] + [b"/"] * 1200
        assert not connection.busy


def test_a_client_that_reads_slowly_gets_all_of_it():
    with connected() as (client, connection, requests):
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.receive()
        body = bytes(range(256)) * 20_000
        connection.answer(requests[0], 200, body, "text/plain")
        assert connection.sending
        got = b""
        while not got.endswith(body):
            got += client.recv(1 << 16)
            connection.flush()
        assert not connection.sending


def test_100_continue_is_said_before_the_body_and_not_to_one_that_is_too_large():
    with connected() as (client, connection, requests):
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        connection.receive()
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ok")
        connection.receive()
        assert requests[0].body == b"ok"
    with connected() as (client, connection, requests):
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
        with pytest.raises(ConnectionError):
            connection.receive()
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("head", "keeps", "says"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", True, b""),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", False, b"Connection: close\r\n"),
        (b"GET / HTTP/1.0\r\n\r\n", False, b"Connection: close\r\n"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, b"Connection: keep-alive\r\n"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", True, b""),
    ],
)
def test_a_connection_stays_open_as_long_as_the_client_wants(head, keeps, says):
    with connected() as (client, connection, requests):
        client.sendall(head)
        connection.receive()
        with contextlib.nullcontext() if keeps else pytest.raises(ConnectionError):
            answer(connection, requests[0])
        assert says in client.recv(4096)


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    ],
)
def test_what_two_servers_could_read_differently_is_refused(smuggled):
    with connected() as (client, connection, requests):
        client.sendall(smuggled)
        with pytest.raises(ConnectionError):
            connection.receive()
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert requests == []


@pytest.mark.slow
def test_many_requests_behind_one_another_are_no_long_head(start):
    daemon = start("basic", WORKERS="1")
    host, port = daemon.url.removeprefix("http://").split(":")
    body = b'{"payload":{"instances":[[1,2]]}}'
    one = b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    count = 3000
    with socket.create_connection((host, int(port)), timeout=10) as client:
        sender = threading.Thread(target=client.sendall, args=(one * count,))
        sender.start()
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < count and (piece := client.recv(1 << 16)):
            answers += piece
        sender.join()
    assert answers.count(b"HTTP/1.1 200 OK") == count
