"""One function for each way to start another process."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def double(number):
    return 2 * number


def pool(msg):
    (method,) = msg["payload"]["instances"][0]
    with multiprocessing.get_context(method).Pool(2) as workers:
        return {"predictions": workers.map(double, [1, 2, 3])}


def in_a_fork(find):
    """What ``find`` returns in a process that is forked for it."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, repr(find()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as file:
        return {"predictions": [file.read()]}


def handlers(msg):
    return in_a_fork(
        lambda: (
            [number for number in signal.valid_signals() if callable(signal.getsignal(number))],
            list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            signal.set_wakeup_fd(-1),
        )
    )


def open_sockets():
    links = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return [link for link in links if link.startswith(("socket:", "anon_inode:"))]


def sockets(msg):
    if msg["payload"]["instances"][0][0] == "fork":
        return in_a_fork(open_sockets)
    listing = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False)
    return {"predictions": [line for line in listing.stdout.splitlines() if "socket:" in line]}


def fork(msg):
    """The child comes back, or calls sys.exit, as scripts do."""
    (status,) = msg["payload"]["instances"][0]
    child = os.fork()
    if child == 0 and status:
        sys.exit(status)
    if child == 0:
        return {"predictions": ["of the child"]}
    return {"predictions": [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]}


def stray(msg):
    """A fork that nobody waits for."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    return {"predictions": [child, os.getpid()]}


def sleeper(msg):
    process = subprocess.Popen(["sleep", "600"])
    return {"predictions": [process.pid, os.getpid()]}


def stubborn(msg):
    """A program that ignores SIGTERM, in a session of its own."""
    process = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 600; true"], start_new_session=True)
    return {"predictions": [process.pid, os.getpid()]}


def background(msg):
    started = subprocess.run(["sh", "-c", "sleep 600 >&2 & echo $!"], stdout=subprocess.PIPE, text=True, check=True)
    return {"predictions": [int(started.stdout), os.getpid()]}


def take(msg):
    """Take the signals that the worker needs."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    return {"predictions": [os.getpid()]}


def pid(msg):
    return {"predictions": [os.getpid()]}
