"""Which connections end when there is no room for a new one. Not those whose request is being answered."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from trainyard.serve.http.connection import Connection

SILENT_SECONDS = 0.25  # a new connection that has sent nothing for so long counts as idle
_ANSWERED, _IDLE, _ARRIVING = range(3)


def make_way(connections: Iterable[Connection], count: int, now: float) -> list[Connection]:
    """At most ``count``: those that have had their last answer, then those that were idle for longest, then those whose
    request has been arriving (or whose answer has been read) for longest.
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
