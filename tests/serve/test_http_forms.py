"""Forms of HTTP/1.1 that clients in the world send: offers of other protocols, whole URLs as targets, trailers."""

import contextlib
import shutil
import socket
import subprocess

import pytest
from test_connection import answer, connected
from wire import Wire, message

BODY = message([[1, 2]])
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
OFFERS = {
    "h2c": H2C,
    "websocket": "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n",
    "in lower case": "connection: upgrade\r\nupgrade: TLS/1.0, IRC/6.9\r\n",
}
CHUNKED = b"%x\r\n%b\r\n%x;of=two\r\n%b\r\n0\r\n\r\n" % (5, BODY[:5], len(BODY) - 5, BODY[5:])


def request(lines="", target="/sum", body=BODY):
    return f"POST {target} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(lines="", trailer=b""):
    head = f"POST /sum HTTP/1.1\r\nHost: x\r\n{lines}Transfer-Encoding: chunked\r\n\r\n".encode()
    return head + CHUNKED[:-2] + trailer + b"\r\n"


def first_line(daemon, sent):
    host, port = daemon.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(sent)
        return client.recv(4096).split(b"\r\n")[0].decode()


@pytest.fixture
def wire(daemon):
    with Wire(daemon.url) as wire:
        yield wire


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("form", [request, chunked], ids=["length", "chunked"])
def test_an_offer_of_another_protocol_is_ignored(wire, offer, form):
    for _ in range(3):
        assert wire.ask(form(offer)).payload["predictions"] == [3]
    wire.send((form(offer) + request() + form(offer)) * 20)
    for _ in range(60):
        assert wire.read().payload["predictions"] == [3]
    assert wire.is_open


@pytest.mark.parametrize("cut", range(1, 400, 23))
def test_wherever_it_is_cut(cut):
    sent = request(H2C, "/a") + chunked(H2C + "X-Two: 1\r\nX-Two: 2\r\n") + request(target="/c")
    with connected() as (client, connection, requests):
        for piece in (sent[:cut], sent[cut:]):
            client.sendall(piece)
            connection.receive()
        for number in range(3):
            answer(connection, requests[number])
    assert [(found.path, found.body) for found in requests] == [(b"/a", BODY), (b"/sum", BODY), (b"/c", BODY)]
    assert b"upgrade" not in requests[0].headers
    assert requests[1].headers[b"x-two"] == b"1, 2"


def test_an_offer_on_a_connection_that_is_to_be_closed(wire):
    assert wire.ask(request("Connection: close, Upgrade\r\nUpgrade: h2c\r\n")).payload["predictions"] == [3]
    assert not wire.is_open


def test_a_get_with_an_offer_has_no_body(wire):
    for _ in range(2):
        assert wire.ask(f"GET /health HTTP/1.1\r\nHost: x\r\n{H2C}\r\n".encode()).json() == {"status": "ok"}


def test_an_offer_and_a_body_that_waits_to_be_asked_for(wire):
    wire.send(request(H2C + "Expect: 100-continue\r\n")[: -len(BODY)])
    assert wire.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert wire.ask(BODY).payload["predictions"] == [3]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("more", [(), ("--header", "Transfer-Encoding: chunked")], ids=["length", "chunked"])
def test_curl_with_http2(daemon, more):
    command = ["curl", "--silent", "--http2", "--data-binary", BODY, *more, f"{daemon.url}/sum"]
    assert subprocess.run(command, capture_output=True, timeout=20).stdout.startswith(b'{"payload":{"predictions":[3')


@pytest.mark.parametrize("target", ["x:80", "x:443"])
def test_connect_is_refused(wire, target):
    refused = wire.ask(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    assert refused.status == 405
    assert "POST" in refused.headers["allow"]
    assert "no proxy" in refused.payload["error"]


def test_http_2_without_asking_is_refused(daemon):
    assert first_line(daemon, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "http://x/sum", 200),
        ("POST", "HTTPS://x.example:443/sum?a=b", 200),
        ("POST", "http://[::1]:80/sum", 200),
        ("GET", "http://x/health", 200),
        ("HEAD", "http://x/health", 200),
        ("GET", "http://x", 200),
        ("GET", "http://x?query", 200),
        ("GET", "http://x/a/../health", 404),
        ("GET", "//x/health", 404),
        ("GET", "/http://x/health", 404),
        ("OPTIONS", "http://x/health", 200),
        ("GET", "ftp://x/health", 400),
        ("GET", "http://user@x/health", 400),
        ("GET", "http:///health", 400),
        ("GET", "http://:80/health", 400),
        ("GET", "http://x y/health", 400),
        ("GET", "x:80", 400),
        ("GET", "*", 400),
        ("GET", "health", 400),
    ],
)
def test_a_whole_url_is_a_target_too(daemon, method, target, status):
    body = BODY.decode() if method == "POST" else ""
    sent = f"{method} {target} HTTP/1.1\r\nHost: other\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    assert first_line(daemon, sent.encode()).split(" ")[1] == str(status)


def test_the_host_of_a_whole_url_counts_and_its_query_stays():
    with connected() as (client, connection, requests):
        client.sendall(b"GET http://named:81?a=b#c HTTP/1.1\r\nHost: other\r\n\r\n")
        connection.receive()
    (found,) = requests
    assert (found.path, found.query, found.headers[b"host"]) == (b"/", b"a=b", b"named:81")


@pytest.mark.parametrize("target", ["*", "http://x"])
def test_options_of_the_server_as_a_whole(wire, target):
    for _ in range(2):
        answered = wire.ask(f"OPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (answered.status, answered.body) == (200, b"")
        assert {"GET", "POST", "OPTIONS"} <= set(answered.headers["allow"].split(", "))


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Host: x", 200),
        ("Host: x ", 200),
        ("Host:", 200),
        ("Host: [::1]:5000", 200),
        ("Host: a_b.c-d.example:80", 200),
        ("Accept: x", 400),
        ("Host: a\r\nHost: b", 400),
        ("Host: a\r\nHost: a", 400),
        ("Host:\r\nHost:", 400),
        ("Host: a b", 400),
        ("Host: http://a", 400),
        ("Host: a/b", 400),
        ("Host: user@a", 400),
        ("Host: a:b", 400),
        ("Host: ä", 400),
    ],
)
def test_one_host_is_needed(daemon, lines, status):
    for target in ("/health", "http://x/health"):
        sent = f"GET {target} HTTP/1.1\r\n{lines}\r\n\r\n".encode("latin-1")
        assert first_line(daemon, sent).split(" ")[1] == str(status)


@pytest.mark.parametrize("lines", ["", "Host: x\r\n"])
def test_http_1_0_needs_none(daemon, lines):
    assert first_line(daemon, f"GET /health HTTP/1.0\r\n{lines}\r\n".encode()).split(" ")[1] == "200"


def test_a_host_that_was_good_before_does_not_excuse_a_later_one(wire):
    assert wire.ask(request()).status == 200
    assert wire.ask(b"GET /health HTTP/1.1\r\n\r\n").status == 400
    assert wire.ask(request()).status == 200
    assert wire.ask(b"GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n").status == 400


def test_what_is_answered_before_a_bad_request_is_answered(wire):
    wire.send(request() + request() + b"GET /health HTTP/1.1\r\n\r\n" + request())
    assert [wire.read().status for _ in range(3)] == [200, 200, 400]
    assert not wire.is_open


def test_trailers_are_no_headers(wire):
    trailers = b"Content-Encoding: gzip\r\nX-Request-Id: of-a-trailer\r\nHost: other\r\nConnection: close\r\n"
    for _ in range(2):
        answered = wire.ask(chunked(trailer=trailers))
        assert answered.payload["predictions"] == [3]
        assert answered.headers["x-request-id"] != "of-a-trailer"


@pytest.mark.parametrize(
    "line", [b"X-%d: " + b"a" * 8000 + b"\r\n", b"X: a\r\n" * 1000, b"a" * 8000], ids=["large", "small", "one"]
)
def test_trailers_are_bounded(daemon, line):
    host, port = daemon.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(chunked()[:-2])
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 128 << 20:
                piece = b"".join(line.replace(b"%d", b"%d" % number) for number in range(100))
                client.sendall(piece)
                sent += len(piece)
        assert sent < 128 << 20
    assert daemon.post("sum").status_code == 200


def test_what_stands_between_two_chunks_is_bounded():
    with connected() as (client, connection, _):
        client.sendall(chunked()[:-2])
        with pytest.raises(ConnectionError):
            while True:
                client.sendall(b"X: a\r\n" * 100)
                connection.receive()
        assert client.recv(4096).startswith(b"HTTP/1.1 431 ")


@pytest.mark.slow
def test_a_token_in_a_trailer_is_none(start):
    daemon = start("basic", WORKERS="1", API_TOKEN="secret-1")
    assert first_line(daemon, chunked(trailer=b"Authorization: Bearer secret-1\r\n")).split(" ")[1] == "401"
    assert first_line(daemon, chunked("Authorization: Bearer secret-1\r\n")).split(" ")[1] == "200"
