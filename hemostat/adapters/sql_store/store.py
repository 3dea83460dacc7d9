"""The EventStore port on one table of events.

The ends of its audit chain are in a row that every writer locks first.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sql

from hemostat.adapters.sql_store import inspect, schema
from hemostat.adapters.sql_store.connection import WRITES_OPTION, connect, identify, translate_errors
from hemostat.adapters.sql_store.query import ROWS_PER_BATCH, find_page, make_conditions, read_batch
from hemostat.adapters.sql_store.schema import events, trail
from hemostat.core.history.audit_chain import (
    ChainEnds,
    ChainPosition,
    ChainRow,
    DatabaseStatus,
    Keys,
    RowHasher,
    bind_rows,
)
from hemostat.core.history.event_row import (
    EventPage,
    EventPosition,
    EventQuery,
    EventRow,
    build_row,
)
from hemostat.core.history.identity import find_reused, identify_event, make_event_key, select_new
from hemostat.core.redact.address import mask_url
from hemostat.errors import DecodeError, NothingStoredError, StoreError, StoreUnreachableError
from hemostat.events import Event, decode

MAX_IDS: Final = 10

logger = logging.getLogger(__name__)


class SqlStore:
    """Events in a database.

    Safe to use from several threads and by several roles. Connects at the first use.
    """

    def __init__(self, url: str, now: Callable[[], float], *, write: bool = True, keys: Keys = tuple) -> None:
        """`now` returns epoch seconds.

        Rows are signed with the first of the `keys`, which are read for every batch. If they cannot be read,
        nothing is stored. Raises ConfigError for an unusable URL.
        """
        self._keys = keys
        self._accepted = 0
        self._url = url
        self._now = now
        self._write = write
        self._engine = connect(url, write=write)
        self._is_ready = False

    # --- storing ------------------------------------------------------------------------------------

    def append(self, events_: Sequence[Event]) -> list[Event]:
        if not events_:
            return []
        with self._begin_writing() as connection:
            ends = _read_ends(connection, lock=True)
            known = _read_stored(connection, map(make_event_key, events_))
            reused = find_reused(known, events_)
            known |= _read_stored(connection, map(identify_event, reused))
            fresh = select_new(known, events_)
            if fresh:
                now = self._now()
                signing = self._make_hasher(connection, ends)
                rows = (build_row(event, now, id=key) for key, event in fresh.items())
                links = bind_rows(rows, ends.head, signing)
                connection.execute(events.insert(), [_make_columns(link) for link in links])
                head = links[-1]
                connection.execute(trail.update().values(head=head.number, head_hash=head.hash))
                self._require_stored(connection, links)
        others = [event for event in reused if identify_event(event) in fresh]
        if others:
            last = others[-1]
            logger.warning("event.id_reused count=%d id=%s type=%s", len(others), last.id[:100], last.type)
        return list(fresh.values())

    def find_outdated(
        self, before: float | None, most: int, *, limit: int, size: int = 0
    ) -> ChainPosition | None:
        with self._begin_reading() as connection:
            ends = _read_ends(connection)
            last = ends.head.number - most if most else 0
            if size and inspect.measure_content(connection) > size:
                last = max(last, ends.head.number - (ends.head.number - ends.anchor.number) * 9 // 10)
            position = None
            for number, stored_at, hash_ in connection.execute(
                sql.select(events.c.number, schema.STORED_AT_COLUMN, schema.HASH_COLUMNS[1])
                .order_by(events.c.number)
                .limit(limit)
            ):
                if number > last and (before is None or stored_at >= before):
                    break
                position = ChainPosition(number, hash_)
            return position

    def remove(self, end: ChainPosition) -> int:
        with self._begin_writing() as connection:
            if _read_ends(connection, lock=True).anchor.number >= end.number:
                return 0
            removed_count = connection.execute(events.delete().where(events.c.number <= end.number)).rowcount
            connection.execute(trail.update().values(anchor=end.number, anchor_hash=end.hash))
        return removed_count

    def compact(self) -> None:
        """Return free space to the file system. PostgreSQL does so by itself."""
        with translate_errors(self._url), self._engine.connect() as connection:
            inspect.compact(connection)

    # --- reading ------------------------------------------------------------------------------------

    def find(self, query: EventQuery, *, limit: int | None = None) -> Iterator[EventRow]:
        statement = (
            sql.select(*schema.RECORD_COLUMNS)
            .where(*make_conditions(query, self._engine.dialect.name))
            .order_by(events.c.time.desc(), events.c.number.desc())
            .limit(limit)
        )
        yield from self._stream(statement)

    def find_page(self, query: EventQuery, *, limit: int, before: EventPosition | None = None) -> EventPage:
        with self._begin_reading() as connection:
            return find_page(connection, query, limit, before)

    def iterate_page(self, query: EventQuery, page: EventPage) -> Iterator[EventRow]:
        last: EventPosition | None = None
        count = 0
        while True:
            with self._begin_reading() as connection:
                batch = read_batch(connection, query, page, last)
            for position, row in batch:
                if count == page.limit > 0 or (last is not None and position <= last):
                    return  # full, or a text instead of a time
                last, count = position, count + 1
                yield row
            if len(batch) < ROWS_PER_BATCH:
                return

    def find_incident_rows(self, query: EventQuery) -> Iterator[EventRow]:
        conditions = make_conditions(query, self._engine.dialect.name)
        incident_ids = sql.select(events.c.incident).where(*conditions, events.c.incident != "")
        statement = (
            sql.select(*schema.RECORD_COLUMNS)
            .where(events.c.incident.in_(incident_ids), events.c.incident != "")
            .order_by(events.c.time, events.c.number)
        )
        yield from self._stream(statement)

    def _stream(self, statement: sql.Select[Any]) -> Iterator[EventRow]:
        with self._begin_reading() as connection:
            for row in connection.execution_options(yield_per=ROWS_PER_BATCH).execute(statement).mappings():
                yield EventRow(**row)

    def find_incident_ids(self, beginning: str) -> list[str]:
        query = (
            sql.select(events.c.incident)
            .where(events.c.incident.startswith(beginning, autoescape=True), events.c.incident != "")
            .distinct()
            .limit(MAX_IDS)
        )
        with self._begin_reading() as connection:
            return list(connection.execute(query).scalars())

    def read_ends(self) -> ChainEnds:
        with self._begin_reading() as connection:
            return _read_ends(connection)

    def read_status(self) -> DatabaseStatus:
        with self._begin_reading() as connection:
            return DatabaseStatus(
                place=mask_url(self._url),
                version=schema.read_version(connection),
                size=inspect.measure_size(connection),
                ends=_read_ends(connection),
            )

    def find_write_obstacle(self) -> str:
        try:
            with translate_errors(self._url), self._engine.connect() as connection:
                why = inspect.find_write_obstacle(connection)
                return f"the store {mask_url(self._url)}: {why}" if why else ""
        except StoreUnreachableError as error:
            return error.message

    def has_position(self, end: ChainPosition) -> bool:
        with self._begin_reading() as connection:
            row = connection.execute(
                sql.select(schema.HASH_COLUMNS[1]).where(events.c.number == end.number)
            ).scalar()
            return row == end.hash or end.number <= _read_ends(connection).anchor.number

    def get_location(self, host: str) -> str:
        return identify(self._engine.url, host)

    def read_row(self, number: int) -> ChainRow | None:
        with self._begin_reading() as connection:
            return _read_row(connection, number)

    def accept_unsigned(self, number: int) -> None:
        self._accepted = max(self._accepted, number)

    def _make_hasher(self, connection: sql.Connection, ends: ChainEnds) -> RowHasher:
        """The hasher of new rows, signing if allowed.

        A signed row vouches for all rows before it. So rows are signed only after a signed row, after a row
        that an operator has accepted, and at the beginning.
        """
        signing = RowHasher(ends.trail, self._keys())
        if not signing.keys or ends.head.number <= max(ends.anchor.number, self._accepted):
            return signing
        last = _read_row(connection, ends.head.number)
        if last is not None and signing.is_signed(last.before, last.record, last.hash):
            return signing
        return RowHasher(ends.trail)

    def _require_stored(self, connection: sql.Connection, links: Sequence[ChainRow]) -> None:
        """Raises StoreUnreachableError if the stored rows differ from `links`.

        Triggers and rules in the database may drop rows without leaving a gap in the chain.
        """
        first, last = links[0], links[-1]
        rows = events.c.number.between(first.number, last.number)
        query = sql.select(schema.HASH_COLUMNS[1]).where(rows).order_by(events.c.number)
        hashes = list(connection.execute(query).scalars())
        if hashes == [link.hash for link in links] and _read_ends(connection).head == ChainPosition(
            last.number, last.hash
        ):
            return
        raise StoreUnreachableError(
            f"the store {mask_url(self._url)} does not store the rows that are written to it",
            hint="remove triggers, rules and views on hemostat_events and hemostat_trail",
        )

    @contextmanager
    def open_trail(self) -> Iterator[tuple[ChainEnds, Iterator[ChainRow]]]:
        with self._begin_reading() as connection:
            query = sql.select(events.c.number, *schema.RECORD_COLUMNS, *schema.HASH_COLUMNS).order_by(
                events.c.number
            )
            rows = connection.execution_options(yield_per=ROWS_PER_BATCH).execute(query)
            yield _read_ends(connection), map(_make_chain_row, rows.mappings())

    def close(self) -> None:
        self._engine.dispose()

    # --- connections --------------------------------------------------------------------------------

    @contextmanager
    def _begin_writing(self) -> Iterator[sql.Connection]:
        self._prepare()
        with translate_errors(self._url), self._engine.connect() as connection:
            writer = connection.execution_options(**{WRITES_OPTION: True})
            with writer.begin():
                yield writer

    @contextmanager
    def _begin_reading(self) -> Iterator[sql.Connection]:
        """A transaction whose reads see one moment."""
        self._prepare()
        with translate_errors(self._url), self._engine.connect() as connection:
            level = {} if self._engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
            reader = connection.execution_options(**level)
            with reader.begin():
                yield reader

    def _prepare(self) -> None:
        if self._is_ready:
            return
        with translate_errors(self._url), self._engine.connect() as connection:
            if self._write:
                writer = connection.execution_options(**{WRITES_OPTION: True})
                with writer.begin():
                    schema.migrate(writer, schema.MIGRATIONS)
            else:
                _require_ready(schema.read_version(connection))
        self._is_ready = True


def _require_ready(version: int) -> None:
    schema.require_version(version, at_most=len(schema.MIGRATIONS))
    if not version:
        raise NothingStoredError("nothing is stored yet", hint="start HemoStat with: hemostat all")
    if version < len(schema.MIGRATIONS):
        hint = "the alert role upgrades it when it starts"
        raise StoreError(
            f"the database has version {version}, but {len(schema.MIGRATIONS)} is required", hint=hint
        )


def _read_ends(connection: sql.Connection, *, lock: bool = False) -> ChainEnds:
    """The ends of the chain.

    `lock`: block other writers until the transaction ends, as SQLite always does.
    """
    query = sql.select(*schema.ENDS_COLUMNS)
    row = connection.execute(query.with_for_update() if lock else query).one()
    return ChainEnds(
        trail=row.name,
        anchor=ChainPosition(row.anchor, row.anchor_hash),
        head=ChainPosition(row.head, row.head_hash),
    )


def _read_stored(connection: sql.Connection, ids: Iterable[str]) -> dict[str, Event | None]:
    """The stored events of these rows; None for one that cannot be read."""
    names = list(ids)
    if not names:
        return {}
    query = sql.select(*schema.BODY_COLUMNS).where(events.c.id.in_(names))
    return {row.id: _decode_body(row.body) for row in connection.execute(query)}


def _decode_body(body: str) -> Event | None:
    try:
        return decode(body.encode())
    except DecodeError:
        return None


def _read_row(connection: sql.Connection, number: int) -> ChainRow | None:
    statement = sql.select(events.c.number, *schema.RECORD_COLUMNS, *schema.HASH_COLUMNS).where(
        events.c.number == number
    )
    row = connection.execute(statement).mappings().first()
    return None if row is None else _make_chain_row(row)


def _make_columns(link: ChainRow) -> dict[str, Any]:
    columns = {name: getattr(link.record, name) for name in schema.FIELDS}
    return {"number": link.number, "before": link.before, "hash": link.hash, **columns}


def _make_chain_row(row: Any) -> ChainRow:
    return ChainRow(
        number=row["number"],
        before=bytes(row["before"]),
        hash=bytes(row["hash"]),
        record=EventRow(**{name: row[name] for name in schema.FIELDS}),
    )
