"""The tables, and the migration steps that create them: at version N, the first N steps have run.

A released step never changes; a change is a new step. Roles that write run the missing steps, one role at a
time. Readers do not migrate.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sql

from hemostat.core.history.audit_chain import INITIAL_HASH
from hemostat.core.history.event_row import EventRow
from hemostat.errors import StoreError
from hemostat.events import MAX_BYTES

LOCK_ID: Final = 0x48454D4F
"""PostgreSQL's advisory lock for the role that migrates."""

COLUMN_TYPES: Final = {
    "sqlite": {"number": "INTEGER", "real": "REAL", "bytes": "BLOB"},
    "postgresql": {"number": "BIGINT", "real": "DOUBLE PRECISION", "bytes": "BYTEA"},
}

MIGRATIONS: Final[Sequence[Sequence[str]]] = (
    (
        """CREATE TABLE hemostat_events (
          number {number} PRIMARY KEY, id TEXT NOT NULL UNIQUE, time {real} NOT NULL, kept {real} NOT NULL,
          type TEXT NOT NULL, host TEXT NOT NULL, container TEXT NOT NULL, project TEXT NOT NULL,
          kind TEXT NOT NULL, outcome TEXT NOT NULL, incident TEXT NOT NULL, body TEXT NOT NULL,
          before {bytes} NOT NULL, hash {bytes} NOT NULL)""",
        """CREATE TABLE hemostat_trail (
          name TEXT NOT NULL, head {number} NOT NULL, head_hash {bytes} NOT NULL,
          anchor {number} NOT NULL, anchor_hash {bytes} NOT NULL)""",
        "CREATE INDEX hemostat_events_time ON hemostat_events (time)",
        "CREATE INDEX hemostat_events_type ON hemostat_events (type, time)",
        "CREATE INDEX hemostat_events_host ON hemostat_events (host, time)",
        "CREATE INDEX hemostat_events_container ON hemostat_events (container, time)",
        "CREATE INDEX hemostat_events_project ON hemostat_events (project, time) WHERE project <> ''",
        "CREATE INDEX hemostat_events_kind ON hemostat_events (kind, time) WHERE kind <> ''",
        "CREATE INDEX hemostat_events_outcome ON hemostat_events (outcome, time) WHERE outcome <> ''",
        "CREATE INDEX hemostat_events_incident ON hemostat_events (incident) WHERE incident <> ''",
    ),
)

metadata = sql.MetaData()
events = sql.Table(
    "hemostat_events",
    metadata,
    sql.Column("number", sql.BigInteger, primary_key=True),
    sql.Column("id", sql.Text),
    sql.Column("time", sql.Double),
    sql.Column("kept", sql.Double),
    *(
        sql.Column(name, sql.Text)
        for name in ("type", "host", "container", "project", "kind", "outcome", "incident", "body")
    ),
    sql.Column("before", sql.LargeBinary),
    sql.Column("hash", sql.LargeBinary),
)
trail = sql.Table(
    "hemostat_trail",
    metadata,
    sql.Column("name", sql.Text),
    sql.Column("head", sql.BigInteger),
    sql.Column("head_hash", sql.LargeBinary),
    sql.Column("anchor", sql.BigInteger),
    sql.Column("anchor_hash", sql.LargeBinary),
)
schema = sql.Table("hemostat_schema", metadata, sql.Column("version", sql.Integer))

FIELDS: Final = EventRow.__struct_fields__
MAX_CHARACTERS_READ: Final = MAX_BYTES + 1
"""Characters or bytes of a value that are read. No event is longer, and others may have written rows of a
gigabyte."""


EMPTY_VALUES: Final[dict[type[sql.types.TypeEngine[Any]], str | bytes | float]] = {
    sql.Text: "",
    sql.LargeBinary: b"",
    sql.Double: 0.0,
    sql.BigInteger: 0,
}


def _read_typed(column: sql.Column[Any]) -> sql.ColumnElement[Any]:
    """The value in the column's own type, cut to MAX_CHARACTERS_READ. Another program may have written values
    of any type into SQLite."""
    kind = type(column.type)
    typed: sql.ColumnElement[Any] = sql.cast(column, kind)
    if kind in {sql.Text, sql.LargeBinary}:
        typed = sql.func.substr(typed, 1, MAX_CHARACTERS_READ, type_=kind())
    return sql.func.coalesce(typed, sql.literal(EMPTY_VALUES[kind], kind())).label(column.name)


RECORD_COLUMNS: Final = [_read_typed(events.c[name]) for name in FIELDS]
HASH_COLUMNS: Final = [_read_typed(events.c[name]) for name in ("before", "hash")]
BODY_COLUMNS: Final = [_read_typed(events.c[name]) for name in ("id", "body")]
STORED_AT_COLUMN: Final = _read_typed(events.c.kept)
ENDS_COLUMNS: Final = [_read_typed(column) for column in trail.c]


def read_version(connection: sql.Connection) -> int:
    """The schema version. 0 if nothing was ever stored, or if the version is no number."""
    if not sql.inspect(connection).has_table(schema.name):
        return 0
    return connection.execute(sql.select(sql.func.max(sql.cast(schema.c.version, sql.Integer)))).scalar() or 0


def migrate(connection: sql.Connection, steps: Sequence[Sequence[str]]) -> None:
    """Run the missing steps, all or none. Raises StoreError if the database has a newer version."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(sql.select(sql.func.pg_advisory_xact_lock(LOCK_ID)))
    version = read_version(connection)
    require_version(version, at_most=len(steps))
    if version == len(steps):
        return
    if not version:
        connection.exec_driver_sql("CREATE TABLE hemostat_schema (version INTEGER NOT NULL)")
        connection.execute(schema.insert().values(version=0))
    for step in steps[version:]:
        for statement in step:
            connection.exec_driver_sql(statement.format(**COLUMN_TYPES[dialect]))
    if not version:
        start = {"head": 0, "head_hash": INITIAL_HASH, "anchor": 0, "anchor_hash": INITIAL_HASH}
        connection.execute(trail.insert().values(name=secrets.token_hex(8), **start))
    connection.execute(schema.update().values(version=len(steps)))


def require_version(version: int, *, at_most: int) -> None:
    if version > at_most:
        raise StoreError(
            f"the database has version {version}, but this HemoStat supports at most {at_most}",
            hint="use the version of HemoStat that wrote it, or a newer version",
        )
