"""Builds the conditions of queries, and reads pages of rows.

A page is found by the position of its oldest row, and read in batches, each in a transaction of its own: a
reader that waits for a person holds no rows in memory and no transaction open.
"""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sql

from hemostat.adapters.sql_store import schema
from hemostat.adapters.sql_store.schema import events
from hemostat.core.history.event_row import EventPage, EventPosition, EventQuery, EventRow

ROWS_PER_BATCH: Final = 200
"""Rows fetched at a time."""
QUERY_COLUMNS: Final = ("incident", "container", "project", "outcome", "kind", "type", "host")
"""The most selective first. On SQLite only that column's index is used.

Without statistics SQLite picks any index, even of a column with one value, and collecting statistics reads
the whole table.
"""
PARTIALLY_INDEXED: Final = frozenset({"project", "kind", "outcome", "incident"})
"""Columns whose index omits empty values.

The condition is repeated so that the database may use the index.
"""
TIME_COLUMN: Final = schema.RECORD_COLUMNS[schema.FIELDS.index("time")]


def make_conditions(query: EventQuery, dialect: str) -> Iterator[sql.ColumnElement[bool]]:
    if query.since is not None:
        yield events.c.time >= query.since
    if query.until is not None:
        yield events.c.time < query.until
    lead = True
    for name in QUERY_COLUMNS:
        value = getattr(query, name)
        if value is None:
            continue
        if lead or dialect != "sqlite":
            yield events.c[name] == value
            yield from (events.c[name] != "",) if name in PARTIALLY_INDEXED else ()
        else:
            yield sql.func.coalesce(events.c[name], "") == value
        lead = False


def find_page(
    connection: sql.Connection, query: EventQuery, limit: int, before: EventPosition | None
) -> EventPage:
    """The page of the newest `limit` matching rows, before a position if one is given. 0: all."""
    if not limit:
        return EventPage(before=before)
    conditions = [*make_conditions(query, connection.dialect.name), *_make_range(None, before)]
    statement = (
        sql.select(TIME_COLUMN, events.c.number)
        .where(*conditions)
        .order_by(events.c.time.desc(), events.c.number.desc())
        .limit(2)
        .offset(limit - 1)
    )
    positions = [EventPosition(*row) for row in connection.execute(statement)]
    oldest = positions[0] if positions else None
    return EventPage(limit=limit, oldest=oldest, before=before, next=oldest if positions[1:] else None)


def read_batch(
    connection: sql.Connection, query: EventQuery, page: EventPage, after: EventPosition | None
) -> list[tuple[EventPosition, EventRow]]:
    """The next rows of a page, oldest first."""
    oldest = page.oldest if after is None else after
    conditions = [
        *make_conditions(query, connection.dialect.name),
        *_make_range(oldest, page.before, includes_oldest=after is None),
    ]
    statement = (
        sql.select(events.c.number, *schema.RECORD_COLUMNS)
        .where(*conditions)
        .order_by(events.c.time, events.c.number)
        .limit(ROWS_PER_BATCH)
    )
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    return [(EventPosition(row["time"], row.pop("number")), EventRow(**row)) for row in rows]


def _make_range(
    oldest: EventPosition | None, before: EventPosition | None, *, includes_oldest: bool = True
) -> Iterator[sql.ColumnElement[bool]]:
    """Conditions for rows between two positions. That of the time alone is for the index."""
    time, number = events.c.time, events.c.number
    if oldest is not None:
        follows = number >= oldest.number if includes_oldest else number > oldest.number
        yield from (time >= oldest.time, sql.or_(time > oldest.time, follows))
    if before is not None:
        yield from (time <= before.time, sql.or_(time < before.time, number < before.number))
