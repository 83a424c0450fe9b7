"""Which deliveries of a webhook have come before."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from trainyard.host.retrain.triggers.trigger_store import TriggerStore

_KEY = "push deliveries"
MOST = 2000  # marks that are kept, the newest


class Deliveries:
    """Remembers marks in a store. One for each service: two at once would not see each other's."""

    def __init__(self, store: TriggerStore) -> None:
        self._store = store
        self._lock = threading.Lock()

    def add(self, marks: Sequence[str]) -> bool:
        """Remember a delivery by its marks; False where one of them is known."""
        with self._lock:
            known = self._known()
            if set(marks) & set(known):
                return False
            self._store.set(_KEY, [*known, *marks][-MOST:])
            return True

    def forget(self, marks: Sequence[str]) -> None:
        """It did not come to anything, and may be sent again."""
        with self._lock:
            self._store.set(_KEY, [mark for mark in self._known() if mark not in marks])

    def _known(self) -> list[str]:
        found = self._store.get(_KEY)
        return [str(mark) for mark in found] if isinstance(found, list) else []
