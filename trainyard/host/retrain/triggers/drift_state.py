"""When drift asks for a training: what was counted since the last one, though servers begin to count anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class DriftState:
    """Of one model. ``of``: what is counted, and where; ``seen``: the counter at the last look; ``since``: the values
    that came since the last training; ``asked``: when drift last asked for one, empty where it never has."""

    of: str
    seen: int = 0
    since: int = 0
    asked: str = ""

    def looked(self, count: int) -> DriftState:
        """After a look. A counter that has gone down began again at 0: all that it has is new."""
        grown = count - self.seen if count >= self.seen else count
        return replace(self, seen=count, since=self.since + grown)

    def is_due(self, threshold: int, now: datetime, pause: int) -> bool:
        if self.since < threshold:
            return False
        if not self.asked:
            return True
        passed = now - datetime.fromisoformat(self.asked)
        # A clock that went back by more than the pause would make it endless.
        return passed >= timedelta(seconds=pause) or passed < -timedelta(seconds=pause)

    def asked_at(self, now: datetime) -> DriftState:
        return replace(self, since=0, asked=now.isoformat())

    def trained(self) -> DriftState:
        """A training has seen what there was."""
        return replace(self, since=0)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_state(kept: Any, of: str) -> DriftState:
    """The state as it was kept; a new one where there is none, or another server or column was counted."""
    try:
        state = DriftState(str(kept["of"]), int(kept["seen"]), int(kept["since"]), str(kept["asked"]))
    except (KeyError, TypeError, ValueError):
        return DriftState(of)
    return state if state.of == of else DriftState(of, asked=state.asked)
