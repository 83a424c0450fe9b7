"""How many workers there are: as many as cores and memory allow."""

from __future__ import annotations

import logging
from dataclasses import dataclass

MOST_UNSHARED = 4  # where memory is models x workers
LOADED = "loaded_bytes"  # counter in the supervisor's row: what a process takes that has loaded all models
USABLE = 0.9  # of the memory; the rest is for requests
# Of what is loaded, what a worker has for itself in time: `make bench-memory` shows 0.04 to 0.22 for the shipped
# models; while a new model takes over there are twice as many workers, which have hardly begun to write.
PRIVATE = 0.25
_MIB = 1 << 20


@dataclass(frozen=True)
class WorkerLimits:
    """``asked``: WORKERS, 0 where it is left to us; ``memory``: bytes for all processes, 0 where there is no limit."""

    asked: int
    cores: int
    memory: int = 0

    def most(self, *, shared: bool) -> int:
        """Workers, if there is memory enough: what was asked for, else one per core."""
        return self.asked or (self.cores if shared else min(self.cores, MOST_UNSHARED))

    def fitting(self, loaded: int, *, shared: bool) -> int:
        """Workers, where a process with all models loaded takes ``loaded`` bytes; 0: nobody knows yet."""
        most = self.most(shared=shared)
        if self.asked or not self.memory:
            return most
        if not loaded:
            return 1
        return next((count for count in range(most, 1, -1) if self._fits(count, loaded, shared=shared)), 1)

    def remark(self, loaded: int, *, shared: bool) -> tuple[int, str]:
        """What to log of that, and at which level of ``logging``; an empty text where all is well."""
        most = self.most(shared=shared)
        count = self.fitting(loaded, shared=shared)
        if not self.memory or not loaded or (count == most and self._fits(count, loaded, shared=shared)):
            return logging.INFO, ""
        limit = f"of the {self.memory // _MIB} MiB that there are"
        if loaded > USABLE * self.memory:
            return logging.WARNING, f"the models take {loaded // _MIB} MiB {limit}: the server may be killed for it"
        needed = needed_bytes(most, loaded, shared=shared) // _MIB
        if self.asked:
            return logging.WARNING, f"WORKERS={self.asked} may take {needed} MiB {limit}"
        taken = needed_bytes(count, loaded, shared=shared) // _MIB
        return logging.INFO, f"{count} of {most} workers: they may take {taken} MiB, {most} would {needed} MiB {limit}"

    def _fits(self, count: int, loaded: int, *, shared: bool) -> bool:
        return needed_bytes(count, loaded, shared=shared) <= USABLE * self.memory


def needed_bytes(workers: int, loaded: int, *, shared: bool) -> int:
    """What so many workers may take. Where models are not shared, a new one is loaded by as many workers again."""
    return int(loaded * (1 + PRIVATE * workers)) if shared else 2 * loaded * workers
