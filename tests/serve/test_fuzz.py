"""Whatever a client sends is answered, by the same processes, in the same memory.

``FUZZ_REQUESTS`` says how many, ``FUZZ_SEED`` which; CI sends more.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import socket
import time
from pathlib import Path

import people
import pytest
import schemathesis
from fuzzing import Mutator, broken_request, whole_request
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from wire import CI, Broken, Wire, message, post

REQUESTS = int(os.environ.get("FUZZ_REQUESTS") or (20_000 if CI else 3_000))
SEED = int(os.environ.get("FUZZ_SEED") or 1)
FROM_SCHEMA = REQUESTS // 20  # by schemathesis, and by hypothesis: most is mutated from good ones, which is quick
FROM_HYPOTHESIS = REQUESTS // 5
LASTING = 200_000 if CI else 20_000  # to see whether memory grows
AT_ONCE = 8  # requests of one example, at most
CHECKS = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
GOOD = post("/free", message([[1, 2]]))

# What may be wrong with a request; 503: the route whose module is not there.
ANSWERS = {200, 400, 404, 405, 406, 411, 413, 414, 415, 422, 431, 501, 503}


@pytest.fixture(scope="module")
def daemon(start, tmp_path_factory):
    folder = people.write(tmp_path_factory.mktemp("fuzz") / "action")
    return start(folder, WORKERS="2", PYTHONPATH=str(people.ROOT))


@pytest.fixture(scope="module")
def unharmed(daemon):
    """What is still true when all of it is over."""
    before = daemon.all_workers(2)
    yield
    assert daemon.workers() == before, "a worker has ended"
    with Wire(daemon.url) as wire:
        assert wire.ask(GOOD).payload == {"predictions": [[1, 2]]}
    assert "Traceback" not in daemon.text()


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unharmed")]


def check(answer, sent: bytes) -> None:
    assert answer.status in ANSWERS, (answer.status, answer.body[:500], sent[:2000])
    if answer.headers["content-type"] == "application/json" and answer.body:
        json.loads(answer.body, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def fuzzing(count: int):
    """Hypothesis as it is used here; ``count`` examples."""

    def decorate(function):
        quiet = settings(
            max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )  # fmt: skip
        return seed(SEED)(quiet(function))

    return decorate


@fuzzing(FROM_HYPOTHESIS * 2 // AT_ONCE)
@given(batch=st.lists(whole_request(), min_size=1, max_size=AT_ONCE), pipelined=st.booleans())
def test_every_whole_request_is_answered(daemon, batch, pipelined):
    with Wire(daemon.url, timeout=10) as wire:
        if pipelined:
            wire.send(b"".join(data for _, data in batch))
        for method, data in batch:
            check(wire.read(method) if pipelined else wire.ask(data, method), data)
            if pipelined and not wire.is_open:  # the server closes, since what came was no HTTP; it does not read on
                break
        assert wire.ask(GOOD).status == 200


def test_what_is_left_of_good_requests_is_answered(daemon):
    count = REQUESTS - FROM_HYPOTHESIS - FROM_SCHEMA
    mutator = Mutator(SEED)
    statuses: dict[int, int] = {}
    with Wire(daemon.url, timeout=10) as wire:
        while count > 0:
            batch = [mutator.request() for _ in range(random.Random(count).choice((1, 2, 5, 20)))]
            count -= len(batch)
            wire.send(b"".join(data for _, data in batch))
            for method, data in batch:
                answer = wire.read(method)
                check(answer, data)
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                if not wire.is_open:
                    break
    assert {200, 400, 405, 503} <= statuses.keys()
    assert statuses[200] > REQUESTS / 10, statuses


@fuzzing(max(REQUESTS // 100, 50))
@given(data=broken_request(), good=st.integers(0, 2))
def test_what_is_no_request_is_answered_or_ended(daemon, data, good):
    with Wire(daemon.url, timeout=10) as wire:
        for _ in range(good):
            assert wire.ask(GOOD).status == 200
        with contextlib.suppress(Broken):  # it need not read all of it
            wire.send(GOOD * good + data)
            with contextlib.suppress(OSError):
                wire.sock.shutdown(socket.SHUT_WR)
        for _ in range(good):
            assert wire.read().status == 200
        started = time.monotonic()
        wire.drain()
        assert time.monotonic() - started < 5, "it hangs"


def test_what_the_document_describes(daemon):
    schema = schemathesis.openapi.from_url(f"{daemon.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    checks = [getattr(schemathesis.checks, name) for name in CHECKS]
    for operation, mode in itertools.product(operations, schemathesis.GenerationMode):
        if operation.method == "get" and mode is schemathesis.GenerationMode.NEGATIVE:  # it takes nothing
            continue

        @fuzzing(max(FROM_SCHEMA // len(operations) // 2, 2))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            response = case.call()
            assert response.status_code in ANSWERS, (response.status_code, response.text, case.body)
            case.validate_response(response, checks=checks)

        ask()


def memory(daemon) -> int:
    """The sum of the PSS of all processes, in kB."""
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in daemon.family()]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:"))


@pytest.mark.nightly
def test_memory_stays_as_it_is(daemon):
    mutator = Mutator(SEED)
    batches = [[mutator.request() for _ in range(50)] for _ in range(20)]

    def ask(count: int) -> None:
        for number in range(count // 1000):
            with Wire(daemon.url, timeout=10) as wire:
                for batch in batches:
                    wire.send(b"".join(data for _, data in batch))
                    for method, _ in batch:
                        wire.read(method)
            if number % 10 == 0:
                random.Random(number).shuffle(batches)

    ask(10_000 if CI else 5_000)
    before = memory(daemon)
    ask(LASTING)
    after = memory(daemon)
    assert after < before * 1.05, f"{before} kB, and {after} kB after {LASTING} requests"
