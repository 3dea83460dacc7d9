"""Measures a database, compacts it, and checks without a write whether it is writable."""

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sql

from hemostat.adapters.sql_store.schema import events, metadata, trail

SIZE_QUERY: Final = (
    "SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(CAST(:names AS text[])) name"
)
WRITABLE_QUERY: Final = "SELECT current_setting('transaction_read_only') = 'off'"
NO_CHANGE: Final = "UPDATE hemostat_trail SET head = head WHERE 0"
"""Changes no row, but requires the right and the lock to do so."""
CONTENT_PRAGMAS: Final = ("page_count", "freelist_count", "page_size")
NEEDED_RIGHTS: Final = tuple(
    (name, right)
    for name, rights in ((events.name, ("SELECT", "INSERT", "DELETE")), (trail.name, ("SELECT", "UPDATE")))
    for right in rights
)


def measure_size(connection: sql.Connection) -> int:
    """Bytes on disk, including indexes and data not yet written back."""
    if connection.dialect.name == "sqlite":
        path = str(connection.engine.url.database)
        return sum(each.stat().st_size for each in (Path(path), Path(f"{path}-wal")) if each.exists())
    return int(connection.execute(sql.text(SIZE_QUERY), {"names": list(metadata.tables)}).scalar() or 0)


def measure_content(connection: sql.Connection) -> int:
    """Bytes of an SQLite file in use, without the pages of removed rows. 0 for PostgreSQL, which does not
    count them."""
    if connection.dialect.name != "sqlite":
        return 0
    pages, free, size = (
        int(connection.execute(sql.text(f"PRAGMA {name}")).scalar() or 0) for name in CONTENT_PRAGMAS
    )
    return (pages - free) * size


def compact(connection: sql.Connection) -> None:
    """Return an SQLite file's free pages to the file system."""
    if connection.dialect.name == "sqlite":
        raw: Any = connection.connection
        raw.executescript("PRAGMA incremental_vacuum;")


def find_write_obstacle(connection: sql.Connection) -> str:
    """Why the database is not writable, empty if it is. SQLite's own error is raised.

    The connection cannot be used afterwards.
    """
    if connection.dialect.name == "sqlite":
        raw: Any = connection.connection
        for statement in ("PRAGMA query_only = OFF", NO_CHANGE):
            raw.execute(statement)
        connection.invalidate()
        return ""
    if not connection.execute(sql.text(WRITABLE_QUERY)).scalar():
        return "a standby, or read-only"
    may = sql.func.has_table_privilege
    missing = [each for each in NEEDED_RIGHTS if not connection.execute(sql.select(may(*each))).scalar()]
    return ", ".join(f"no right to {right} on {name}" for name, right in missing)
