"""What every process of one group of models knows of the other groups: their routes, whether they serve, and where to
hand connections over to. They are other daemons, in other environments: they share descriptors and a page of memory.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
from dataclasses import dataclass

from trainyard.contract.groups import Groups
from trainyard.contract.routes import Route

STARTING, READY, GONE = range(3)


class States:
    """One byte for each group, in memory that all processes of all groups see."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._cells = mmap.mmap(descriptor, mmap.PAGESIZE)

    @classmethod
    def create(cls) -> States:
        """All are starting."""
        descriptor = os.memfd_create("trainyard-groups", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, mmap.PAGESIZE)
        return cls(descriptor)

    def __getitem__(self, number: int) -> int:
        return self._cells[number]

    def __setitem__(self, number: int, state: int) -> None:
        self._cells[number] = state


@dataclass(frozen=True)
class Neighbours:
    """``routes``: of all groups. ``number``: the own one, counted from 0. ``given``: where connections come from, of
    other groups and of other workers of the own one; ``giving``: where they go to, by group."""

    routes: tuple[Route, ...]
    groups: Groups
    number: int
    states: States
    given: socket.socket
    giving: tuple[socket.socket, ...]

    @property
    def others(self) -> list[int]:
        """The numbers of the other groups."""
        return [number for number in range(len(self.groups)) if number != self.number]

    @property
    def settled(self) -> bool:
        """Whether every group serves, or never will."""
        return all(self.states[number] != STARTING for number in range(len(self.groups)))

    def reason(self, number: int) -> str:
        """Why a group does not serve; empty where it does."""
        if self.states[number] == STARTING:
            return "its group of models is still being loaded"
        return "its group of models has ended: see the log" if self.states[number] == GONE else ""

    def note_ready(self) -> None:
        """The own group serves."""
        self.states[self.number] = READY

    # -- from process to process --------------------------------------------------------------------------------

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that a process of this group needs."""
        return (self.states.descriptor, self.given.fileno(), *(end.fileno() for end in self.giving))

    def as_json(self) -> str:
        """For ``inherit``, in a process that these descriptors are left open in."""
        return json.dumps({"number": self.number, "descriptors": self.descriptors})

    @classmethod
    def inherit(cls, routes: tuple[Route, ...], groups: Groups, text: str) -> Neighbours:
        """From the text that the process which started this one has given it."""
        found = json.loads(text)
        states, given, *giving = found["descriptors"]
        ends = tuple(socket.socket(fileno=descriptor) for descriptor in (given, *giving))
        return cls(routes, groups, found["number"], States(states), ends[0], ends[1:])
