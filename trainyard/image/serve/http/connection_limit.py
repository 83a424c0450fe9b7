"""How many connections a worker has room for, and which of them end when there is none for a new one."""

from __future__ import annotations

import heapq
import os
import resource
from collections.abc import Iterable

from trainyard.image.serve.http.connection import Connection

MOST_CONNECTIONS = 1000  # of one worker, at most; more wait in the kernel's queue
SPARE_FILES = 24  # that a worker may open besides its connections
SILENT_SECONDS = 0.25  # a new connection that has sent nothing for so long counts as idle
_ANSWERED, _IDLE, _ARRIVING = range(3)


def most_connections() -> int:
    """Of one worker: as many as there is room for among the files that it may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    probe = os.open(os.devnull, os.O_RDONLY)  # gets the lowest number that is free
    os.close(probe)
    return max(1, min(MOST_CONNECTIONS, soft - probe - SPARE_FILES))


def make_way(connections: Iterable[Connection], count: int, now: float) -> list[Connection]:
    """At most ``count``: those that have had their last answer, then those that were idle for longest, then those whose
    request has been arriving (or whose answer has been read) for longest. Never one whose request is being answered.
    """
    ranked = ((_rank(connection, now), number, connection) for number, connection in enumerate(connections))
    found = heapq.nsmallest(count, (entry for entry in ranked if entry[0]))
    return [connection for _, _, connection in found]


def _rank(connection: Connection, now: float) -> tuple[int, float] | tuple[()]:
    """The smallest goes first; an empty one stays."""
    if connection.busy:
        return ()
    if connection.lingers:
        return _ANSWERED, connection.began
    if not connection.is_idle:
        return _ARRIVING, connection.began
    silent = connection.is_new and now - connection.began > SILENT_SECONDS
    return (_IDLE, connection.deadline) if silent or not connection.is_active(now) else ()
