"""Opens the database, brings it to the newest schema, and hands out its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from provider.store.access import AccessStore
from provider.store.catalogue import CatalogueStore
from provider.store.jobs import JobStore
from provider.store.ledger import LedgerStore
from provider.store.reviews import ReviewStore
from provider.store.witnesses import WitnessStore

BUSY_TIMEOUT_MS = 30_000
MAX_CONNECTIONS = 100
"""More than a process has threads: nobody waits for a connection that somebody holds who waits for the lock."""


class Database:
    """One database, in parts by who uses it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = writer = engine.execution_options(sealroom_write=True)
        self.access = AccessStore(engine, writer)
        self.catalogue = CatalogueStore(engine, writer)
        self.jobs = JobStore(engine, writer)
        self.ledger = LedgerStore(engine, writer)
        self.reviews = ReviewStore(engine, writer)
        self.witnesses = WitnessStore(engine, writer)

    def migrate(self) -> None:
        """Bring the schema to the newest revision; safe to repeat, and for two processes at once."""
        config = Config()
        config.set_main_option("script_location", "provider:migrations")
        with self._writer.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(url: str | Path) -> Database:
    """Open a database by URL, or a SQLite file by path; not migrated yet."""
    if isinstance(url, Path):
        url.parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{url}"
    engine = create_engine(url, max_overflow=MAX_CONNECTIONS)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return Database(engine)


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transaction handling is switched off, so that BEGIN below is the only one.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: it waits instead of failing later, and claims and log indices are serial.
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("sealroom_write") else "BEGIN")
