"""Where a worker's connections come from: new clients, and other workers."""

from __future__ import annotations

import socket

from trainyard.image.serve.shared import kernel


def accepted_from(listener: socket.socket) -> socket.socket:
    """A connection of a new client.

    Raises:
        OSError: there is none.
    """
    return listener.accept()[0]


def received_from(given: socket.socket) -> socket.socket:
    """A connection that another worker has passed on.

    Raises:
        OSError: there is none.
    """
    _, fds = kernel.receive_descriptors(given, 1, 1)
    if not fds:
        raise ConnectionResetError("none came")
    return socket.socket(fileno=fds[0])
