"""The one argument of every train and predict function."""

from __future__ import annotations

from typing import Any


class Message(dict[str, Any]):
    """A ``dict`` that also answers ``.payload``.

    Older model code reads ``msg.payload.get("instances")``, newer code ``msg.get("payload", {})``.
    """

    @property
    def payload(self) -> Any:
        """The value under ``"payload"``; an empty dict where there is none."""
        return self.get("payload", {})

    def to_params(self) -> dict[str, Any]:
        """A plain ``dict``, as historical code expects of a message that it returns."""
        return dict(self)
