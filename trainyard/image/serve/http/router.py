"""What a dispatcher asks where other daemons answer for the same port. What is posted to a route of its own it answers
without asking, so these requests cost nothing more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from trainyard.image.serve.pages.peer_facts import PeerFacts
from trainyard.image.serve.request import Request


class Router(Protocol):
    """Of one worker; called in the event loop's thread."""

    def takes(self, request: Request) -> bool:
        """Whether another daemon answers this request; then the dispatcher is done with it.

        Raises:
            TrainyardError: it is another's, who cannot answer.
        """

    def asks(self, request: Request) -> bool:
        """Whether a page shows what others know, too; then they are asked, and it comes back by ``answered``."""

    def answered(self) -> Iterable[tuple[Request, PeerFacts]]:
        """The requests for pages whose others have been asked, and what these have answered."""
