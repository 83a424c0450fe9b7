"""One service for each database: two would hand out the same jobs.

PostgreSQL has a lock that a connection holds. Where that breaks, as when the database is started again, the lock is
taken anew before anything more is handed out.
"""

from __future__ import annotations

import contextlib

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from trainyard.errors import EXIT_FAILED, TrainyardError

_LOCK = 7_246_100_501  # of PostgreSQL, for the service


class AloneInDatabase:
    """The lock of the database. One in a file of the monorepo has the lock of that."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def check(self) -> None:
        """Have the lock, or still have it.

        Raises:
            TrainyardError: another service has it.
            SQLAlchemyError: the database does not answer.
        """
        if self._engine.dialect.name != "postgresql":
            return
        if self._connection and self._holds(self._connection):
            return
        self._connection = self._taken()

    def close(self) -> None:
        if self._connection:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.invalidate()  # which ends the session, and with it the lock
                self._connection.close()
            self._connection = None

    def _holds(self, connection: Connection) -> bool:
        try:
            connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            self.close()
            return False
        return True

    def _taken(self) -> Connection:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if connection.execute(text(f"SELECT pg_try_advisory_lock({_LOCK})")).scalar_one():
                return connection
        except SQLAlchemyError:
            connection.close()
            raise
        connection.close()
        raise TrainyardError(
            "another retrain service uses this database", "stop it, or give each its own: RETRAIN_DATABASE", EXIT_FAILED
        )
