"""Too few files, no shared memory, no /proc, and clients that hold what they get."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import people
import pytest
import requests
from wire import Wire, message, post

pytestmark = pytest.mark.slow

ASK = post("/free", message([[1, 2]]))
CLOCK_TICK = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def run(start, tmp_path):
    """``run(shell="", **environ)``: a daemon that is started after some lines of shell, in mounts of its own."""

    def run(shell="", **environ):
        folder = people.write(tmp_path / "action")
        prefix = ("sh", "-c", f'{shell}\nexec "$@"', "sh") if shell else ()
        if "mount" in shell:
            if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
                pytest.skip("mounts of its own need root")
            prefix = ("unshare", "-m", *prefix)
        return start(folder, prefix, **({"WORKERS": "2", "PYTHONPATH": str(people.ROOT)} | environ))

    return run


@pytest.fixture
def many_files():
    """Let this process open as many as the kernel lets it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 4000:
        pytest.skip("this process may open too few files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def connected(daemon, count, sent=b""):
    """So many open connections, that have sent something."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", int(daemon.url.rsplit(":", 1)[1])), 10)
            opened.append(stack.enter_context(sock))
            sock.sendall(sent)
        yield opened


def seconds_of(daemon):
    """Processor time of all processes so far."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in daemon.family()]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / CLOCK_TICK


def answers_within(daemon, seconds):
    started = time.monotonic()
    with Wire(daemon.url) as wire:
        assert wire.ask(ASK).payload == {"predictions": [[1, 2]]}
    assert time.monotonic() - started < seconds


def test_more_connections_than_files(run):
    daemon = run("ulimit -n 64")
    with connected(daemon, 150):
        time.sleep(1.5)
        answers_within(daemon, 2)  # the longest idle makes room
        before = seconds_of(daemon)
        time.sleep(2)
        assert seconds_of(daemon) - before < 0.5
    answers_within(daemon, 2)


def test_requests_that_are_being_answered_are_not_ended_for_new_ones(start):
    daemon = start("basic", ("sh", "-c", 'ulimit -n 64\nexec "$@"', "sh"), WORKERS="1", THREADS="40")
    before = seconds_of(daemon)
    with connected(daemon, 80, post("/slow", message([[1.5]]))) as opened:
        time.sleep(1)
        assert seconds_of(daemon) - before < 0.8
        for sock in opened:
            sock.settimeout(10)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")
            sock.close()


def test_the_oldest_half_sent_request_makes_way_and_the_newest_client_is_served(run, many_files):
    daemon = run()
    for half in (ASK[:-5], ASK[:30], ASK):
        with connected(daemon, 1100, half) as first, connected(daemon, 1100, half[:60]):
            for _ in range(5):
                answers_within(daemon, 2)
            ended = 0
            for sock in first[:100]:
                sock.settimeout(0.1)
                with contextlib.suppress(OSError):
                    ended += sock.recv(4096)[:12] in (b"", b"HTTP/1.1 503")
            assert ended > 90 or half == ASK


def test_thousands_of_idle_connections(run, many_files):
    daemon = run()
    with connected(daemon, 2500):
        time.sleep(1.5)
        before = seconds_of(daemon)
        time.sleep(1)
        assert seconds_of(daemon) - before < 0.4
        answers_within(daemon, 3)
    with connected(daemon, 2500, ASK) as opened:
        for sock in opened:
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")


def memory(daemon):
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in daemon.family()]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1e3


def test_a_client_that_never_reads_costs_no_more_than_what_it_was_last_answered(run):
    daemon = run(WORKERS="1")
    answers_within(daemon, 2)
    before = memory(daemon)
    with connected(daemon, 3, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 4000):  # 100 MB of answers
        time.sleep(1)
        answers_within(daemon, 2)
        assert memory(daemon) < before + 15


def test_a_client_that_reads_slowly_gets_a_large_answer_whole(run):
    daemon = run(WORKERS="1")
    rows = [["x" * 1000]] * 6000
    request = post("/free", message(rows))
    with connected(daemon, 1, request) as (sock,):
        received = 0
        while received < 6_000_000:
            piece = sock.recv(100_000)
            assert piece, f"ended after {received} bytes"
            received += len(piece)
            time.sleep(0.02)
        answers_within(daemon, 2)


@pytest.mark.parametrize(
    "shell",
    [
        "mount -t tmpfs -o ro none /dev/shm",
        "mount -t tmpfs -o nr_inodes=2 none /dev/shm; touch /dev/shm/full",
        "mount --bind . . && mount -o remount,ro,bind . && cd $PWD",
    ],
    ids=["no shared memory", "full shared memory", "read-only"],
)
def test_where_nothing_can_be_written(run, shell):
    daemon = run(shell)
    answers_within(daemon, 2)
    assert "Traceback" not in daemon.text()


def test_without_proc_models_are_not_shared_and_one_line_says_so(run):
    daemon = run("mount -t tmpfs none /proc")
    answers_within(daemon, 2)
    assert daemon.text().count("models are loaded in each worker and not shared: without /proc") == 1
    assert "Traceback" not in daemon.text()
    assert requests.get(f"{daemon.url}/metrics", timeout=5).status_code == 200


def test_nowhere_to_write_at_all_is_one_line(refused, tmp_path):
    folder = people.write(tmp_path / "action")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("mounts of its own need root")
    if Path(sys.prefix).is_relative_to("/tmp"):
        pytest.skip("the Python that runs this lies in /tmp, which is to be hidden")
    places = " ".join(f"mount -t tmpfs -o ro none {place};" for place in ("/dev/shm", "/var/tmp"))
    shell = f"{places} mount --bind . . && mount -o remount,ro,bind . && cd $PWD; mount -t tmpfs -o ro none /tmp"
    status, output = refused(folder, prefix=("unshare", "-m", "sh", "-c", f'{shell}\nexec "$@"', "sh"))
    assert status == 2
    assert "mount a tmpfs at /dev/shm" in output.splitlines()[-1]
