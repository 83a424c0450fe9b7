"""Requests that are another group's: which ones they are, and the connections that wait to go over with them.

Asked only for what is not posted to a route of the own group, so the own routes' requests pay nothing for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from trainyard.errors import TrainyardError
from trainyard.image.serve.application import Application
from trainyard.image.serve.dialects.model_names import PREFIX, asked_by
from trainyard.image.serve.dialects.paths import INVOCATIONS, wanted_route
from trainyard.image.serve.groups.asking import Asking
from trainyard.image.serve.groups.group_connection import GroupConnection, in_memory
from trainyard.image.serve.http.batching import Overloaded
from trainyard.image.serve.pages.peer_facts import PeerFacts
from trainyard.image.serve.request import Request
from trainyard.image.serve.shared.daemon_context import DaemonContext
from trainyard.image.serve.shared.other_groups import Neighbours

READYZ = "/readyz/"
RETRY_SECONDS = 1.0  # what a client is asked to wait whose group takes no more


class NotServed(TrainyardError):
    """A route whose group does not serve; HTTP 503."""

    http_status = 503


@dataclass(frozen=True)
class PendingHandoff:
    """A connection that waits to go over to a group, for the request that it is to answer."""

    connection: GroupConnection
    request: Request
    group: int


class GroupRouter:
    """Of one worker."""

    def __init__(self, application: Application, common: DaemonContext, neighbours: Neighbours, wake: int) -> None:
        """``wake``: end of a pipe; what is written to it ends the event loop's waiting."""
        self.leaving: list[PendingHandoff] = []
        self._names = application.others.names
        self._neighbours = neighbours
        self._asking = Asking(neighbours, common.settings, wake)
        self._max_wait = common.settings.max_wait
        groups = [(number, route.path) for number in neighbours.others for route in neighbours.groups[number]]
        self._groups = {path: number for number, path in groups}
        vertex = application.others.vertex_path
        self._paths = {f"/{path}": number for path, number in self._groups.items()}
        if vertex in self._paths:
            self._paths[unquote(vertex)] = self._paths[vertex]

    def takes(self, request: Request) -> bool:
        """Whether another group is to answer it; then its connection waits to go there.

        Raises:
            NotServed: that group does not serve.
        """
        group = self._group_of(request)
        if group is None:
            return False
        if reason := self._neighbours.reason(group):
            raise NotServed(f"{request.path.decode('latin-1')} is not ready: {reason}")
        self.leaving.append(PendingHandoff(request.connection, request, group))
        return True

    def asks(self, request: Request) -> bool:
        return self._asking.asks(request)

    def answered(self) -> Iterator[tuple[Request, PeerFacts]]:
        return self._asking.answered()

    def send_off(
        self, now: float, forget: Callable[[GroupConnection], None], refuse: Callable[[Request, Exception], None]
    ) -> None:
        """Hand over what waits; ``forget`` is called with each connection that has gone.

        What a group does not take within MAX_WAIT, since too much waits there already, is given to ``refuse``.
        """
        staying = []
        for leaver in self.leaving:
            if leaver.connection.closed:
                continue
            if self._hand_over(leaver):
                forget(leaver.connection)
            elif now - leaver.request.arrived > self._max_wait or self._neighbours.reason(leaver.group):
                path = leaver.request.path.decode("latin-1")
                refuse(leaver.request, Overloaded(f"{path}: its group of models takes no more", RETRY_SECONDS))
            else:
                staying.append(leaver)
        self.leaving = staying

    def _hand_over(self, leaver: PendingHandoff) -> bool:
        raw, answered = leaver.connection.unanswered
        state = {"answered": answered, "asked": leaver.connection.asked | 1 << self._neighbours.number}
        try:
            content = in_memory(raw)
        except OSError:  # no memory, no descriptor
            return False
        try:
            descriptors = [leaver.connection.sock.fileno(), content]
            socket.send_fds(self._neighbours.giving[leaver.group], [json.dumps(state).encode()], descriptors)
        except OSError:  # full, or gone
            return False
        finally:
            with contextlib.suppress(OSError):
                os.close(content)
        return True

    def _group_of(self, request: Request) -> int | None:
        path = request.path.decode("latin-1")
        if path.startswith(PREFIX):
            return self._group_of_model(asked_by(path).name, request)
        path = (unquote(path) if "%" in path else path).rstrip("/")
        if path == INVOCATIONS:
            return self._groups.get(wanted_route(request))
        if path.startswith(READYZ):
            return self._groups.get(path.removeprefix(READYZ))
        return self._paths.get(path)

    def _group_of_model(self, name: str, request: Request) -> int | None:
        """A route names its group. Any other name may be that of a model that another group has loaded: it is asked for
        the whole request, and hands that on, unless all have been asked."""
        if name in self._groups or self._names.endpoint(name):
            return self._groups.get(name)
        asked = request.connection.asked
        return next(
            (
                number
                for number in self._neighbours.others
                if not asked & 1 << number and not self._neighbours.reason(number)
            ),
            None,
        )
