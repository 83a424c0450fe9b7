"""The generic webhook: a job as JSON, signed, posted without following redirects.

How a receiver verifies it, with the secret of RETRAIN_WEBHOOK_SECRET:

    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    hmac.compare_digest(expected, headers["X-Trainyard-Signature-256"])   # of the body as it came, before it is parsed
    content = json.loads(body)
    abs(time.time() - content["timestamp"]) < 300                         # else it is an old one, sent again
    content["delivery"] has not come before                               # else it is the same one, sent again

Delivery id and timestamp are in the body, so that the signature covers them. The headers ``X-Trainyard-Delivery`` and
``X-Trainyard-Timestamp`` repeat them for logs; they prove nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult

from trainyard import __version__
from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.retrain.notices.callbacks import split_url
from trainyard.host.retrain.notices.notice import Notice, content_of, place_of

SIGNATURE, EVENT = "X-Trainyard-Signature-256", "X-Trainyard-Event"
DELIVERY, TIMESTAMP = "X-Trainyard-Delivery", "X-Trainyard-Timestamp"


@dataclass(frozen=True)
class Delivery:
    """One post: its body and headers."""

    body: bytes
    headers: Mapping[str, str]


def delivery_of(notice: Notice, secret: str) -> Delivery:
    """Write and sign it; without a secret it goes unsigned."""
    made, now = str(uuid.uuid4()), int(time.time())
    body = json.dumps({"delivery": made, "timestamp": now, **content_of(notice)}, allow_nan=False).encode()
    headers = {
        "Content-Type": "application/json", "User-Agent": f"trainyard/{__version__}", EVENT: str(notice.event),
        DELIVERY: made, TIMESTAMP: str(now),
    }  # fmt: skip
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return Delivery(body, headers)


def post(url: str, delivery: Delivery, addresses: Sequence[tuple[str, int]], timeout: float) -> None:
    """Post it to one of ``addresses``, which are the host's and were looked at before.

    Raises:
        TrainyardError: it was not taken within ``timeout`` seconds; the message has no more of the URL than the host.
    """
    place, parts, deadline = place_of(url), split_url(url), time.monotonic() + timeout
    late = f"no answer in {timeout:g} s"
    try:
        connection = _connected(parts, addresses, deadline)
        # A receiver that sends a byte now and then would never run into the timeout of a socket.
        watch = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, [connection])
        watch.daemon = True
        watch.start()
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, delivery.body, dict(delivery.headers))
            status = connection.getresponse().status
        finally:
            watch.cancel()
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
            raise _failure(place, late, "RETRAIN_NOTICE_TIMEOUT says how long to wait") from None
        raise _failure(place, _reason(error)) from None
    if 300 <= status < 400:
        raise _failure(place, f"status {status}: redirects are not followed", "name the URL that it leads to")
    if status >= 400:
        raise _failure(place, f"status {status}")


def _connected(parts: SplitResult, addresses: Sequence[tuple[str, int]], deadline: float) -> http.client.HTTPConnection:
    """A connection to one of those very addresses: a second look-up of the name might give another one."""
    host, error = parts.hostname or "", OSError("no address")
    for address in addresses:
        left = max(0.1, deadline - time.monotonic())
        connection = http.client.HTTPConnection(host, address[1], timeout=left)
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(host, address[1], timeout=left)
        connection.auto_open = 0  # it would look the name up again
        try:
            connection.sock = socket.create_connection(address, timeout=left)
            if parts.scheme == "https":
                context = ssl.create_default_context()
                connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
            return connection
        except OSError as raised:
            connection.close()
            error = raised
    raise error


def _cut(connection: http.client.HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    return getattr(error, "strerror", "") or type(error).__name__


def _failure(place: str, what: str, fix: str = "see that it is there, and takes a POST") -> TrainyardError:
    return TrainyardError(f"{place}: {what}", fix, EXIT_FAILED)
