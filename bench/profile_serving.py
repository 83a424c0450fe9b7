"""Prints where the microseconds of a request go: ``make profile-serving``.

The income model of logistic regression, compiled, as a predict image serves it: each stage alone, medians of many
calls; then whole requests over one connection, to show what is left for the kernel and the client.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import click

from bench.serving.prepare import STATE, make_venv, read_rows, train
from bench.serving.servers import MODELS, PROJECT, ROOT, SERVERS

sys.path[:0] = [str(ROOT / "projects")]

from trainyard.contract.routes import Route  # noqa: E402
from trainyard.image.serve.app import create_app  # noqa: E402
from trainyard.image.serve.http.connection import Connection  # noqa: E402
from trainyard.image.serve.http.limits import Buffers, Limits  # noqa: E402
from trainyard.image.serve.http.loop import EventLoop  # noqa: E402
from trainyard.image.serve.prediction.codec import JSON  # noqa: E402
from trainyard.image.serve.prediction.message_body import read_message  # noqa: E402
from trainyard.image.serve.request import Request, answer_bytes  # noqa: E402
from trainyard.image.serve.shared.daemon_context import DaemonContext  # noqa: E402
from trainyard.models.binaries import load_model  # noqa: E402
from trainyard.models.predicting import classify  # noqa: E402
from trainyard.settings.image import ImageSettings  # noqa: E402

LIMITS = Limits(1 << 24, 30, 30, 75)
CALLS = 2000


def median(call: Callable[[], Any], calls: int) -> float:
    """Microseconds of one call."""
    call()
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def stages(model: dict[str, Any], body: bytes, calls: int) -> dict[str, float]:
    """Microseconds of each stage."""
    message = read_message(body)
    rows = message["payload"]["instances"]
    features = model["encoder"].transform(rows)
    result = classify(model, rows)
    answer = JSON.dumps({"payload": result})
    raw = _raw_request(body)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    found: list[Request] = []
    handler = SimpleNamespace(on_request=found.append)
    connection = Connection(ours, LIMITS, handler, Buffers(1 << 26))

    def parse() -> None:
        theirs.send(raw)
        connection.busy = False
        found.clear()
        connection.receive()

    parse()
    request = found[0]
    return {
        "read and parse HTTP": median(parse, calls),
        "parse JSON": median(lambda: JSON.loads(body), calls),
        "check the message": median(lambda: read_message(body), calls) - median(lambda: JSON.loads(body), calls),
        "encode": median(lambda: model["encoder"].transform(rows), calls),
        "estimator": median(lambda: model["estimator"].predict_proba(features), calls),
        "labels and lists": median(lambda: classify(model, rows), calls)
        - median(lambda: model["estimator"].predict_proba(model["encoder"].transform(rows)), calls),
        "write JSON": median(lambda: JSON.dumps({"payload": result}), calls),
        "write HTTP": median(lambda: answer_bytes(request, 200, answer), calls),
    }


def round_trip(name: str, body: bytes, calls: int) -> tuple[float, float]:
    """Microseconds of a whole request over one connection, and of an echo of the same bytes."""
    folder = MODELS["lr"][0]
    route = Route(f"{name}/predict", f"{PROJECT}.{folder}.predict", f"predict_{name}", "")
    application = create_app((route,), ImageSettings(), ROOT / "projects")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    common = DaemonContext.create((route,), ImageSettings(), listener)
    loop = EventLoop(application, [listener], os.pipe(), common, common.board.claim())
    child = os.fork()  # a thread would share our interpreter, and wait for it
    while child == 0:
        loop.turn(1.0)
    client = socket.create_connection(listener.getsockname())
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw = _raw_request(body, f"/{name}/predict")

    def ask() -> None:
        client.sendall(raw)
        client.recv(1 << 20)

    try:
        whole = median(ask, calls)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return whole, _echo(raw, calls)


def _echo(raw: bytes, calls: int) -> float:
    """Microseconds of a round trip to a process that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        peer = listener.accept()[0]
        while data := peer.recv(1 << 20):
            peer.sendall(data)
        os._exit(0)
    with socket.create_connection(listener.getsockname()) as client:

        def ask() -> None:
            client.sendall(raw)
            client.recv(1 << 20)

        echo = median(ask, calls)
    os.waitpid(child, 0)
    return echo


def _raw_request(body: bytes, path: str = "/x") -> bytes:
    headers = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{headers}\r\n".encode() + body


@click.command()
@click.option("--rows", "counts", default="1,100", show_default=True, help="rows of a request")
@click.option("--calls", default=CALLS, show_default=True)
def main(counts: str, calls: int) -> None:
    """Print the table."""
    train("lr", make_venv(next(server for server in SERVERS if server.name == "trainyard, not compiled")))
    os.chdir(STATE / "trained")
    name = MODELS["lr"][1]
    model = load_model(name)
    for count in map(int, counts.split(",")):
        rows, _ = read_rows(count)
        body = json.dumps({"payload": {"instances": rows}}).encode()
        print(f"{count} row(s), {len(body)} bytes; microseconds, medians of {calls} calls")
        found = stages(model, body, calls)
        for stage, cost in found.items():
            print(f"  {stage:22} {cost:8.1f}")
        whole, echo = round_trip(name, body, calls)
        print(f"  {'sum of these':22} {sum(found.values()):8.1f}")
        print(f"  {'a whole request':22} {whole:8.1f}   an echo of its bytes takes {echo:.1f}")


if __name__ == "__main__":
    main()
