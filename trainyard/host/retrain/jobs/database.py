"""The database of the service: SQLite in the state folder, or PostgreSQL.

The table of jobs is the queue as well. Why no library's queue: docs/decisions/074-jobs-are-the-queue.md.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from trainyard.errors import EXIT_FAILED, TrainyardError

FILE = "jobs.db"
_LOCK = 7_246_100_500  # of PostgreSQL, for all who write
_BUSY = 30  # seconds to wait for another process that writes
_CONNECTING = 5  # seconds that PostgreSQL may take to answer


class _Json(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return json.dumps(value, allow_nan=False)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return json.loads(value)


class _Utc(TypeDecorator[datetime]):
    """SQLite forgets the time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


METADATA = MetaData()
JOBS = Table(
    "trainyard_jobs", METADATA,
    Column("id", String(40), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("request", _Json, nullable=False),
    Column("key", String(64), nullable=False),
    Column("trigger", String(200), nullable=False),
    Column("created", _Utc, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("started", _Utc),
    Column("ended", _Utc),
    Column("tries", Integer, nullable=False, default=0),
    Column("secret", Boolean, nullable=False, default=False),
    Column("stopping", Text, nullable=False, default=""),
    Column("compute", String(100), nullable=False, default=""),
    Column("commit", String(64), nullable=False, default=""),
    Column("steps", _Json, nullable=False, default=list),
    Column("run", String(200), nullable=False, default=""),
    Column("version", String(200), nullable=False, default=""),
    Column("promoted", Boolean),
    Column("metrics", _Json, nullable=False, default=dict),
    Column("reason", Text, nullable=False, default=""),
    Column("champion", String(200), nullable=False, default=""),
    Column("champion_metrics", _Json, nullable=False, default=dict),
    Column("retry_of", String(40), nullable=False, default=""),
    Column("links", _Json, nullable=False, default=dict),
    Column("told", Boolean, nullable=False, default=False),
    Index("trainyard_jobs_by_state", "state", "priority", "created"),
    Index("trainyard_jobs_by_created", "created"),
    Index("trainyard_jobs_by_told", "told", "state"),
    Index("trainyard_jobs_by_key", "key", "state"),
)  # fmt: skip
IDEMPOTENCY_KEYS = Table(
    "trainyard_idempotency_keys", METADATA,
    Column("owner", String(200), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("body", String(64), nullable=False),  # its sha256
    Column("job", String(40), nullable=False),
)  # fmt: skip
TOKENS = Table(
    "trainyard_tokens", METADATA,
    Column("name", String(100), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("created", _Utc, nullable=False),
    Column("expires", _Utc, nullable=False),
    UniqueConstraint("sha256"),
)  # fmt: skip


def open_database(given: str, state: Path) -> Engine:
    """The database at the URL ``given``, else a file below the state folder; its tables are made where they are not.

    Raises:
        TrainyardError: it is no database that we can use, or it does not answer.
    """
    try:
        url = make_url(given or f"sqlite:///{_file(state)}")
    except ArgumentError:
        raise TrainyardError(
            "RETRAIN_DATABASE is not a URL", "say postgresql://user:password@host/database, or leave it out"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if not url.drivername.startswith(("sqlite", "postgresql")):
        raise TrainyardError(f"RETRAIN_DATABASE: {url.drivername} is not a database we know", "use PostgreSQL")
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=_connecting(url.drivername))
        if url.drivername.startswith("sqlite"):
            event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin)
        METADATA.create_all(engine)
    except ImportError:
        raise TrainyardError("there is no driver for PostgreSQL", "pip install 'psycopg[binary]'") from None
    except SQLAlchemyError as error:
        where = url.render_as_string(hide_password=True)
        raise TrainyardError(
            f"{where}: {short(error)}", "check RETRAIN_DATABASE, and that it runs", EXIT_FAILED
        ) from None
    return engine


def writing(engine: Engine) -> AbstractContextManager[Connection]:
    """A transaction that writes. There is one at a time, so what it has read stays true until it ends."""
    return engine.execution_options(writing=True).begin()


def short(error: Exception) -> str:
    """One line of an error: those of databases have several."""
    return f"{getattr(error, 'orig', None) or error}".strip().partition("\n")[0] or type(error).__name__


def _file(state: Path) -> Path:
    folder = state / "retrain"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    with suppress(FileExistsError):  # nobody else on this machine reads it
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    return path


def _connecting(driver: str) -> dict[str, Any]:
    if driver.startswith("sqlite"):
        return {"timeout": _BUSY}
    return {"connect_timeout": _CONNECTING}


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writing", False)
    if connection.dialect.name == "sqlite":
        # Without "immediate" a transaction that reads and then writes fails at once where another one writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    elif writes:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver leaves BEGIN to us
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a job that was accepted survives a power cut
