"""ROOT_PATH: everything is answered below it, for balancers that pass a path on as it is.

It stands between the connections and the dispatcher where there is one, so nothing else knows of it.
"""

from __future__ import annotations

from trainyard.image.serve.http.access import OPEN_PATHS
from trainyard.image.serve.http.dispatch import Dispatcher
from trainyard.image.serve.http.request_target import EVERYTHING
from trainyard.image.serve.request import Failure, Request

# A kubelet asks the server itself, whatever the balancer's paths are.
_OUTSIDE = frozenset({EVERYTHING, *(path.encode() + slash for path in OPEN_PATHS for slash in (b"", b"/"))})


class RootPath:
    """Hands on what is asked below ``root``, without it."""

    def __init__(self, root: str, dispatcher: Dispatcher) -> None:
        self._root = root.encode()
        self._dispatcher = dispatcher

    def on_request(self, request: Request) -> None:
        """Called with each whole request."""
        if outside := self._enter(request):
            self._dispatcher.refuse(request, outside)
        else:
            self._dispatcher.on_request(request)

    def refusal(self, request: Request) -> Failure | None:
        """Why a request is refused whose body has not arrived, if it is."""
        return self._enter(request) or self._dispatcher.refusal(request)

    def failure_bytes(self, request: Request, failure: Failure) -> bytes:
        """The answer to what never becomes a request."""
        self._enter(request)
        return self._dispatcher.failure_bytes(request, failure)

    def _enter(self, request: Request) -> Failure | None:
        """Take the root off the path; the answer to a request that is outside of it."""
        root, path = self._root, request.path
        if path.startswith(root) and path[len(root) : len(root) + 1] in (b"", b"/"):
            request.root, request.path = root, path[len(root) :]
        elif path not in _OUTSIDE:
            return Failure(404, f"Not Found: all paths of this server begin with {root.decode()} (ROOT_PATH)")
        return None
