"""What other groups of models say of a page that shows all routes, whichever group was asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import request

OTHERS = "trainyard.others"  # key of the WSGI environment


@dataclass(frozen=True)
class PeerFacts:
    """``facts``: of each group that has answered; ``silent``: the routes of those that have not, and why."""

    facts: tuple[Any, ...] = ()
    silent: dict[str, str] = field(default_factory=dict)


NOBODY = PeerFacts()


def peer_facts() -> PeerFacts:
    """What goes with the request that is being answered."""
    found = request.environ.get(OTHERS, NOBODY)
    assert isinstance(found, PeerFacts)
    return found
