"""Groups of models behind one port: each request finds its group, whatever the connection that it comes on."""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from grouped_daemon import FIRST, SAME, SECOND, children
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import Wire, message, post

from trainyard.image.serve.groups.group_connection import end_of


@pytest.fixture(scope="module")
def grouped(start):
    return start("groups", WORKERS="2", **SAME)


def workers(daemon):
    """The pids of the workers of each group."""
    groups = children(daemon.process.pid)
    return [[worker for arbiter in children(group) for worker in children(arbiter)] for group in groups]


def ask(path, number):
    return post(path, message([[number]]))


def expected(path, number):
    return [number if path == FIRST else 10 * number]


def test_each_route_is_answered_by_its_group(grouped):
    groups = workers(grouped)
    assert grouped.post("first/predict").json()["payload"]["pid"] in groups[0]
    payload = grouped.post("second/predict").json()["payload"]
    assert payload["pid"] in groups[1]
    assert payload["venv"] == sys.prefix
    assert "(1 x 4 threads)" in grouped.text()


def test_a_connection_alternates_between_groups(grouped):
    with Wire(grouped.url) as wire:
        for number in range(40):
            path = (FIRST, SECOND)[number % 2]
            answer = wire.ask(ask(path, number))
            assert (answer.status, answer.payload["predictions"]) == (200, expected(path, number))
            assert wire.is_open


@pytest.mark.parametrize("seed", range(8))
def test_requests_in_a_row_are_answered_in_order_however_they_are_cut(grouped, seed):
    """Sent without waiting for an answer, in pieces that begin and end anywhere."""
    chance = random.Random(seed)
    wanted = [(chance.choice((FIRST, SECOND)), number) for number in range(40)]
    data = b"".join(ask(path, number) for path, number in wanted)
    with Wire(grouped.url) as wire:
        assert wire.sock  # before two threads use it
        writer = threading.Thread(target=send_in_pieces, args=(wire, data, chance))
        writer.start()
        for path, number in wanted:
            answer = wire.read()
            assert (answer.status, answer.payload["predictions"]) == (200, expected(path, number))
        writer.join()


def send_in_pieces(wire, data, chance):
    while data:
        size = chance.choice((1, 7, 60, 500, 3000))
        wire.send(data[:size])
        data = data[size:]
        if chance.random() < 0.2:
            time.sleep(0.005)


def test_half_a_request_behind_one_of_another_group(grouped):
    whole = ask(FIRST, 3)
    with Wire(grouped.url) as wire:
        assert wire.ask(ask(FIRST, 1)).payload["predictions"] == [1]
        answer = wire.ask(ask(SECOND, 2) + whole[: len(whole) // 2])
        assert answer.payload["predictions"] == [20]
        assert wire.ask(whole[len(whole) // 2 :]).payload["predictions"] == [3]


@pytest.mark.slow
def test_a_large_body_a_chunked_one_and_one_that_waits_to_be_wanted(grouped):
    rows = [[number] for number in range(300_000)]
    with Wire(grouped.url) as wire:
        assert len(wire.ask(post(SECOND, message(rows))).payload["predictions"]) == len(rows)
        body = message([[4]])
        head = f"POST {FIRST} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:9], body[9:])) + b"0\r\n\r\n"
        assert wire.ask(head + chunks).payload["predictions"] == [4]
        head, _, body = post(SECOND, message([[5]]), "Expect: 100-continue").partition(b"\r\n\r\n")
        wire.send(head + b"\r\n\r\n")
        time.sleep(0.1)
        wire.send(body)
        assert wire.read().payload["predictions"] == [50]


def test_offers_of_other_protocols_and_whole_urls_find_their_group(grouped):
    def offering(path, number):
        return ask(path, number).replace(b"Host: test\r\n", b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n")

    wanted = [((FIRST, SECOND)[number % 3 > 0], number) for number in range(30)]
    targets = [f"http://h{path}" if number % 5 == 0 else path for path, number in wanted]
    sent = [(offering if number % 2 else ask)(target, number) for number, target in enumerate(targets)]
    with Wire(grouped.url) as wire:
        for request, (path, number) in zip(sent, wanted, strict=True):
            assert wire.ask(request).payload["predictions"] == expected(path, number)
        wire.send(b"".join(sent))
        for path, number in wanted:
            assert wire.read().payload["predictions"] == expected(path, number)
    whole = b"".join(sent)
    assert end_of(whole, 7) == sum(map(len, sent[:7]))


@pytest.mark.slow
def test_a_client_that_sends_without_a_pause_and_then_to_another_group(grouped):
    """More than is kept of it, and every piece ends in the middle of a request."""
    count = 20_000
    data = b"".join(ask(FIRST, number) for number in range(count)) + ask(SECOND, 1)
    with Wire(grouped.url, timeout=60) as wire:
        assert wire.sock
        writer = threading.Thread(target=send_odd_pieces, args=(wire, data))
        writer.start()
        for number in range(count):
            assert wire.read().payload["predictions"] == [number]
        assert wire.read().payload["predictions"] == [10]
        writer.join()


def send_odd_pieces(wire, data):
    for start in range(0, len(data), 199_999):
        wire.send(data[start : start + 199_999])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9000)), min_size=1, max_size=5), st.data())
def test_where_a_request_ends(requests_, data):
    """``end_of`` finds the boundary between requests, of bodies announced and chunked."""
    written = [chunked(size) if is_chunked else post("/x", b"y" * size) for is_chunked, size in requests_]
    count = data.draw(st.integers(1, len(written)))
    tail = data.draw(st.integers(0, 30))
    raw = b"".join(written) + post("/x", b"")[:tail]
    assert end_of(raw, count) == sum(map(len, written[:count]))


def chunked(size):
    chunk = b"%x\r\n%s\r\n" % (size, b"z" * size) if size else b""
    return b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"


def test_what_concerns_one_route_is_answered_by_its_group_in_every_protocol(grouped):
    asked = {"inputs": [{"name": "instances", "shape": [1, 1], "datatype": "INT64", "data": [7]}]}
    for _ in range(4):  # whichever group gets the connection
        infer = requests.post(f"{grouped.url}/v2/models/second/predict/infer", json=asked, timeout=20)
        assert infer.json()["outputs"][0]["data"] == [70]
        model = requests.get(f"{grouped.url}/v2/models/second%2Fpredict/ready", timeout=20)
        assert (model.status_code, model.json()["name"]) == (200, "second/predict")
        unknown = requests.get(f"{grouped.url}/v2/models/third", timeout=20)
        assert unknown.status_code == 404
        assert "this server has first/predict, second/predict, first/slow" in unknown.text
        header = {"X-Amzn-SageMaker-Target-Model": "second/predict"}
        invoked = grouped.post("invocations", headers=header, json={"instances": [[3]]})
        assert invoked.json()["predictions"] == [30]
        assert "this image has 3 routes" in grouped.post("invocations", json={"instances": [[3]]}).text
        assert requests.get(f"{grouped.url}/second/predict", timeout=20).status_code == 405
        nowhere = grouped.post("nowhere")
        assert nowhere.status_code == 404
        assert "POST /first/predict, POST /second/predict, POST /first/slow" in nowhere.text


@pytest.mark.slow
def test_the_token_is_every_groups(start):
    daemon = start("groups", API_TOKEN="for-all-of-them", **SAME)
    bearer = {"Authorization": "Bearer for-all-of-them"}
    for route in ("first/predict", "second/predict"):
        assert daemon.post(route).status_code == 401
        assert daemon.post(route, headers=bearer).status_code == 200


@pytest.mark.slow
def test_workers_that_are_killed_are_replaced_and_the_other_group_notices_nothing(start):
    daemon = start("groups", WORKERS="4", **SAME)
    first, second = workers(daemon)
    with Wire(daemon.url) as wire, Wire(daemon.url) as other:
        wire.ask(ask(FIRST, 1))
        for pid in second:
            os.kill(pid, signal.SIGKILL)
        other.send(ask(SECOND, 2))  # waits for the worker that comes
        for number in range(20):
            assert wire.ask(ask(FIRST, number)).payload["pid"] in first
        assert other.read().payload["predictions"] == [20]
    daemon.wait_for("(?s)" + ".*".join(["Ready to answer"] * 6))
    assert daemon.post("second/predict").json()["payload"]["pid"] in workers(daemon)[1]
    assert workers(daemon)[0] == first
    assert daemon.stop() == 0


def test_a_group_that_cannot_be_started_answers_503_and_the_others_serve(start, tmp_path):
    daemon = start("groups", VENV_2=str(tmp_path / "nowhere"))
    assert daemon.post("first/predict").status_code == 200
    answer = daemon.post("second/predict")
    assert answer.status_code == 503
    assert "its group of models has ended" in answer.json()["payload"]["error"]
    assert "group 2 cannot be started" in daemon.text()
    assert daemon.stop() == 0


def test_a_group_whose_packages_are_broken_answers_503_and_the_others_serve(start, tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\necho 'ImportError: no flask' >&2\nexit 1\n")
    python.chmod(0o755)
    daemon = start("groups", VENV_2=str(tmp_path))
    assert daemon.post("first/predict").status_code == 200
    assert daemon.post("second/predict").status_code == 503
    assert "group 2 could not be started: /second/predict answer 503" in daemon.text()


def test_all_groups_that_cannot_be_started_end_the_server(tmp_path, refused):
    folder = tmp_path / "action"
    (folder / ".s2i").mkdir(parents=True)
    (folder / ".s2i/environment").write_text("ROUTES=a:m.a:f,b:m.b:g\nROUTE_GROUPS=a;b\n")
    status, output = refused(folder, VENV_2=str(tmp_path), LOG_LEVEL="loud")
    assert (status, output) == (2, "error: LOG_LEVEL=loud: there is none such: say debug or info or warning or error\n")
    (folder / ".s2i/environment").write_text("ROUTES=a:m.a:f,b:m.b:g\nROUTE_GROUPS=a\n")
    status, output = refused(folder)
    assert status == 2
    assert output.startswith("error: .s2i/environment:2: ROUTE_GROUPS does not have each route of ROUTES once")


@pytest.mark.slow
def test_a_group_that_ends_for_good_ends_the_server(start):
    daemon = start("groups", **SAME)
    os.kill(children(daemon.process.pid)[1], signal.SIGKILL)
    assert daemon.process.wait(20) != 0
    assert "group 2 has ended" in daemon.text()
    with pytest.raises(requests.ConnectionError):
        daemon.post("first/predict")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_all(start, number):
    daemon = start("groups", **SAME)
    pids = [pid for group in workers(daemon) for pid in group] + children(daemon.process.pid)
    assert daemon.stop(number) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.slow
def test_requests_that_were_accepted_are_answered_before_the_end(start):
    daemon = start("groups", WORKERS="2", **SAME)
    with Wire(daemon.url) as slow, Wire(daemon.url) as quick:
        assert slow.ask(ask(SECOND, 1)).status == 200  # it has to go over
        slow.send(ask("/first/slow", 1))
        assert quick.ask(ask(FIRST, 1)).status == 200
        time.sleep(0.2)
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        answer = quick.ask(ask(SECOND, 2))
        assert (answer.status, answer.payload["predictions"]) == (200, [20])
        assert not quick.is_open
        assert slow.read().status == 200
    assert daemon.process.wait(20) == 0


@pytest.mark.slow
def test_a_hangup_reaches_every_group(start):
    daemon = start("groups", WATCH="0", **SAME)
    for name in ("first", "second"):
        (daemon.folder / "models" / f"{name}.txt").write_text("new")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for(r"(?s)models/ has changed.*models/ has changed")
    for route in ("first/predict", "second/predict"):
        assert daemon.post(route).status_code == 200
