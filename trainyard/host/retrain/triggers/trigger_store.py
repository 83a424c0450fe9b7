"""What triggers remember from one start of the service to the next: a JSON value by a key."""

from __future__ import annotations

import json
from typing import Any, Protocol

from sqlalchemy import Column, Engine, MetaData, String, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

_METADATA = MetaData()
_STATE = Table("trigger_state", _METADATA, Column("key", String(500), primary_key=True), Column("value", Text))


class TriggerStore(Protocol):
    """Keeps values. Both methods may be called from any thread."""

    def get(self, key: str) -> Any:
        """The value, or None where there is none."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value that JSON has, in place of the one before."""


class SqlTriggerStore:
    """In a table of its own, which it makes where it is not there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        _METADATA.create_all(engine)

    def get(self, key: str) -> Any:
        with self._engine.connect() as connection:
            text = connection.scalar(select(_STATE.c.value).where(_STATE.c.key == key))
        return None if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        changed = update(_STATE).where(_STATE.c.key == key).values(value=text)
        with self._engine.begin() as connection:
            if connection.execute(changed).rowcount:
                return
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(_STATE).values(key=key, value=text))
        except IntegrityError:  # another thread was faster
            with self._engine.begin() as connection:
                connection.execute(changed)
