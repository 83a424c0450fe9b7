"""The daemon behind nginx and HAProxy: what their clients ask arrives, and a new model costs nobody a 502."""

import contextlib
import csv
import functools
import gzip
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
import requests
from needs import need
from proxies import COMMANDS, in_front_of
from waiting import until
from wire import Wire, message, post

from utils.binaries import save_model

ROOT = Path(__file__).parents[2]
PREDICT = """
from utils.binaries import load_model, served_model_name


def predict(msg):
    answer = load_model(served_model_name("shop"))["answer"]
    return {"predictions": [[answer, *row] for row in msg.payload["instances"]]}
"""
pytestmark = pytest.mark.slow


def write_model(folder: Path, answer: str) -> None:
    with contextlib.chdir(folder):
        save_model({"answer": answer}, "shop", metrics={"accuracy": 1}, sample={"instances": [[1, 2]]})


@pytest.fixture(scope="module")
def daemon(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    (folder / ".s2i").mkdir()
    (folder / ".s2i/environment").write_text("ROUTES=shop:m.predict:predict,kept/shop:m.predict:predict\n")
    (folder / "m").mkdir()
    (folder / "m/predict.py").write_text(PREDICT)
    write_model(folder, "first")
    return start(folder, WORKERS="2", PYTHONPATH=str(ROOT))


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def proxy(request, daemon, tmp_path_factory):
    need(request.param)
    with in_front_of(port_of(daemon), request.param, tmp_path_factory.mktemp(request.param)) as urls:
        yield urls


@pytest.fixture(params=["plain", "reusing"])
def url(request, proxy):
    return proxy[request.param]


def port_of(daemon) -> int:
    return int(daemon.url.rpartition(":")[2])


def ask(url: str, path: str = "shop", rows=((1, 2),), **options):
    options.setdefault("json", {"payload": {"instances": rows}})
    return requests.post(f"{url}/{path}", timeout=30, **options)


def rows_of(response) -> list:
    """The rows of an answer, as they were sent."""
    assert response.status_code == 200, response.text
    return [row[1:] for row in response.json()["payload"]["predictions"]]


def test_requests_with_pauses_between_them_are_all_answered(url):
    with requests.Session() as session:
        for pause in (0, 0, 0.2, 1.2, 0, 2.5, 0):
            time.sleep(pause)
            body = {"payload": {"instances": [[1, 2]]}}
            assert rows_of(session.post(f"{url}/shop", json=body, timeout=20)) == [[1, 2]]


def connections_of(port: int) -> int:
    """Connections to a port of this machine, those that ended within the last minute, too."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ends = (tuple(sorted(line.split()[1:3])) for line in lines)
    return len({pair for pair in ends if any(end.endswith(f":{port:04X}") for end in pair)})


@pytest.mark.parametrize(
    ("program", "name", "is_kept"),
    [("nginx", "plain", False), ("nginx", "reusing", True), ("haproxy", "reusing", True)],
)
def test_a_proxy_that_reuses_connections_may_keep_them(daemon, tmp_path, program, name, is_kept):
    need(program)
    with in_front_of(port_of(daemon), program, tmp_path) as urls, requests.Session() as session:
        before = connections_of(port_of(daemon))
        for _ in range(100):
            body = {"payload": {"instances": [[1, 2]]}}
            assert rows_of(session.post(f"{urls[name]}/shop", json=body, timeout=20)) == [[1, 2]]
        opened = connections_of(port_of(daemon)) - before
    assert (opened < 50) == is_kept  # HAProxy's health checks open some


@pytest.mark.parametrize("path", ["shop", "stripped/shop", "kept/shop", "stripped/kept/shop"])
def test_a_prefix_is_stripped_or_kept_as_the_proxy_says(url, path):
    assert rows_of(ask(url, path)) == [[1, 2]]


def large(size: int) -> tuple[list[list[float]], bytes]:
    rows = [[number, number + 0.5] for number in range(size // 20)]
    return rows, message(rows)


@pytest.mark.parametrize("size", [100_000, 4_000_000])
def test_large_bodies_arrive_whole(url, size):
    rows, body = large(size)
    assert rows_of(ask(url, data=body, json=None)) == rows


@pytest.mark.parametrize("path", ["shop", "streamed/shop"])
def test_chunked_bodies_arrive_whole(url, path):
    rows, body = large(1_000_000)
    pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    assert rows_of(ask(url, path, data=pieces, json=None)) == rows


def test_compressed_bodies_are_passed_on_as_they_are(url):
    rows, body = large(2_000_000)
    assert rows_of(ask(url, data=gzip.compress(body), json=None, headers={"Content-Encoding": "gzip"})) == rows


def test_a_body_that_is_refused_is_refused_through_the_proxy(url):
    bomb = gzip.compress(bytes(17 << 20))
    assert ask(url, data=bomb, json=None, headers={"Content-Encoding": "gzip"}).status_code == 413
    assert ask(url, data=b"{}", json=None).status_code == 400
    assert ask(url).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [
    ("HEAD", "/health", 200), ("GET", "/health", 200), ("OPTIONS", "/shop", 200), ("GET", "/shop", 405),
    ("HEAD", "/", 200), ("GET", "/nowhere", 404), ("GET", "/readyz", 200),
])  # fmt: skip
def test_other_methods_are_answered(url, method, path, status):
    response = requests.request(method, f"{url}{path}", timeout=20)
    assert response.status_code == status
    assert bool(response.content) == (method == "GET")


def test_a_client_that_waits_for_100_continue_is_let_go_on(url):
    rows, body = large(200_000)
    head, _, _ = post("/shop", body, "Expect: 100-continue").partition(b"\r\n\r\n")
    with Wire(url) as wire:
        wire.send(head + b"\r\n\r\n")
        assert wire.sock.recv(12, 2) == b"HTTP/1.1 100"  # looked at, and left to be read
        assert [row[1:] for row in wire.ask(body).payload["predictions"]] == rows


def test_a_new_model_takes_over_without_a_failed_request(url, daemon):
    seen, over = [], threading.Event()

    def client() -> None:
        with requests.Session() as session:
            while not over.is_set():
                response = session.post(f"{url}/shop", json={"payload": {"instances": [[1, 2]]}}, timeout=20)
                seen.append((response.status_code, response.text))

    def all_say(answer: str) -> bool:
        return all(status == 200 and answer in text for status, text in seen[-40:] or [(0, "")])

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        for number in range(2):
            answer = f"{url[-5:]} {number}"
            write_model(daemon.folder, answer)
            until(functools.partial(all_say, answer), shown=lambda: seen[-1])
    finally:
        over.set()
        for thread in clients:
            thread.join()
    assert {status for status, _ in seen} == {200}


def test_haproxy_finds_the_server_healthy(daemon, tmp_path):
    need("haproxy")
    with in_front_of(port_of(daemon), "haproxy", tmp_path) as urls:

        def checked() -> list[tuple[str, str, str]]:
            text = requests.get(f"{urls['plain']}/proxy-state;csv", timeout=10).text.removeprefix("# ")
            rows = [row for row in csv.DictReader(text.splitlines()) if row["svname"] == "models"]
            return [(row["status"], row["check_status"], row["check_code"]) for row in rows]

        until(lambda: checked() == [("UP", "L7OK", "200")] * 2, 20, checked)


def test_the_lines_that_the_docs_name_are_those_that_are_tested():
    section = (ROOT / "docs/serving.md").read_text().partition("## Behind a proxy")[2].partition("\n## ")[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    tested = [text.format_map(defaultdict(str, port=5111)) for text, _ in COMMANDS.values()]
    assert len(lines) == 8
    assert [line for line in lines if not any(line in text for text in tested)] == []
