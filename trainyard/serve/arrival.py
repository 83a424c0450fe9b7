"""How long a request may take to arrive: a thread that waits for a stalled client serves nobody else.

Each thread has at most one request whose bytes are still coming. The worker starts its clock, the application stops it
when the body is there, and the worker's main loop cuts off what is late: the waiting thread then reads an end of file.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

MOST_SECONDS = 30.0  # a body of 16 MiB at 5 Mbit/s


@dataclass
class Arrival:
    """One request; ``deadline`` is on the monotonic clock, ``late`` once it was cut off."""

    connection: socket.socket
    deadline: float
    late: bool = False


_arriving: dict[int, Arrival] = {}


def begin(connection: socket.socket, timeout: float) -> Arrival:
    """Start the clock of this thread's request: ``timeout`` seconds (0: no wish), at most MOST_SECONDS."""
    arrival = Arrival(connection, time.monotonic() + min(timeout or MOST_SECONDS, MOST_SECONDS))
    _arriving[threading.get_ident()] = arrival
    return arrival


def arrived() -> bool:
    """Stop the clock of this thread's request; False where it was cut off."""
    arrival = _arriving.pop(threading.get_ident(), None)
    return arrival is None or not arrival.late


def cut_late() -> None:
    """End the reading of requests that are late; their connections can still be answered."""
    now = time.monotonic()
    for arrival in _arriving.copy().values():
        if now > arrival.deadline and not arrival.late:
            arrival.late = True
            with contextlib.suppress(OSError):  # closed meanwhile
                arrival.connection.shutdown(socket.SHUT_RD)
