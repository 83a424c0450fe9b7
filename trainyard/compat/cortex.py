"""What historical model code takes from ``cortex``: the message, and nothing else."""

from __future__ import annotations

from typing import Any

from trainyard import message


class Message(message.Message):
    """``Message({"payload": {...}})``, as historical code builds and returns it."""

    @classmethod
    def with_payload(cls, payload: Any) -> Message:
        """A message that carries ``payload``."""
        return cls({"payload": payload})
