"""The contract of EventStore: SQLite and PostgreSQL."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sql

from hemostat.adapters.sql_store import SqlStore, schema
from hemostat.core.history.audit_chain import INITIAL_HASH, AnchorNotes, ChainPosition
from hemostat.core.history.audit_verification import verify_chain
from hemostat.core.history.event_row import EventQuery
from hemostat.errors import NothingStoredError, StoreError
from hemostat.events import Event, Outcome
from tests.support.samples import ALL, DIAGNOSIS, NOW, WEB, FalseAlarm, alert, complete, event, needed

LATER = 3600.0
NOTHING = AnchorNotes()
DB = msgspec.structs.replace(WEB, id="c2", name="db", labels={"com.docker.compose.project": "shop"})


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    opened = SqlStore(url, lambda: NOW)
    yield opened
    opened.close()


def found(store: SqlStore, **wanted: object) -> list[Event]:
    return [row.event for row in store.find(msgspec.convert(wanted, EventQuery))]


def findings(store: SqlStore, noted: AnchorNotes = NOTHING) -> list[tuple[str, int]]:
    with store.open_trail() as (ends, links):
        return [(each.what, each.number) for each in verify_chain(links, ends, noted)]


def tamper(store: SqlStore, *statements: str) -> None:
    """Change the database as a user with all rights."""
    with store._engine.connect() as connection:
        for statement in statements:
            connection.execute(sql.text(statement))
        connection.commit()


def many(count: int, start: int = 0) -> list[Event]:
    return [event(alert(), at) for at in range(start, start + count)]


def test_stored_rows_are_returned_newest_first(store: SqlStore) -> None:
    store.append(ALL)
    assert found(store) == list(reversed(ALL))
    assert [row.event for row in store.find(EventQuery(), limit=2)] == [ALL[-1], ALL[-2]]
    assert found(store, since=ALL[1].time, until=ALL[3].time) == [ALL[2], ALL[1]]


def test_events_are_found_by_their_fields(store: SqlStore) -> None:
    shop = event(alert(container=DB), incident="i9", host="other")
    failed = event(complete(outcome=Outcome.FAILED), 7)
    store.append([*ALL, shop, failed])
    assert (
        found(store, project="shop") == found(store, container="db") == found(store, host="other") == [shop]
    )
    assert found(store, outcome="failed") == [failed]
    assert found(store, type="false_alarm") == [ALL[2]]
    assert found(store, incident="i9") == [shop]
    assert failed in found(store, kind="exited", container="web")
    assert found(store, kind="oom") == []


def test_query_can_return_whole_incidents(store: SqlStore) -> None:
    other = event(alert(container=DB), incident="i2")
    store.append([event(complete(), 5), other, event(alert()), event(needed(), 1)])
    told = [row.event for row in store.find_incident_rows(EventQuery(since=NOW + 4))]
    assert told == [event(alert()), event(needed(), 1), event(complete(), 5)]


def test_chain_starts_empty_and_grows_by_new_events(store: SqlStore) -> None:
    assert store.read_ends().head == store.read_ends().anchor == ChainPosition(0, INITIAL_HASH)
    store.append(many(2))
    store.append(many(3))
    assert store.read_ends().head.number == 3
    assert findings(store) == []


def test_concurrent_roles_write_one_chain(url: str) -> None:
    """Each role also receives events that another one has received and left."""
    stores = [SqlStore(url, lambda: NOW) for _ in range(4)]

    def write(store: SqlStore) -> None:
        for start in range(0, 60, 5):
            store.append(many(10, start))

    stores[0].append(many(1))  # who comes while the file is made has to wait, and to come again
    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert findings(stores[0]) == []
    assert {each.id for each in found(stores[0])} == {each.id for each in many(65)}
    assert stores[0].read_ends().head.number == 65
    for store in stores:
        store.close()


CHANGES = {
    "body": ["UPDATE hemostat_events SET body = replace(body, 'exited', 'oom') WHERE number = 3"],
    "column": ["UPDATE hemostat_events SET outcome = 'healed' WHERE number = 3"],
    "time": ["UPDATE hemostat_events SET time = time + 0.001 WHERE number = 3"],
}


@pytest.mark.parametrize("statements", CHANGES.values(), ids=CHANGES)
def test_changed_row_is_detected(store: SqlStore, statements: list[str]) -> None:
    store.append(many(6))
    tamper(store, *statements)
    assert findings(store) == [("changed", 3)]


def test_removed_row_is_detected(store: SqlStore) -> None:
    store.append(many(6))
    tamper(store, "DELETE FROM hemostat_events WHERE number = 3")
    assert findings(store) == [("removed", 3)]


def test_removed_row_is_detected_after_renumbering(store: SqlStore) -> None:
    store.append(many(4))
    tamper(
        store,
        "DELETE FROM hemostat_events WHERE number = 2",
        "UPDATE hemostat_events SET number = 2 WHERE number = 3",
        "UPDATE hemostat_events SET number = 3 WHERE number = 4",
        "UPDATE hemostat_trail SET head = 3",
    )
    assert findings(store) == [("reordered", 2)]


def test_reordered_rows_are_detected(store: SqlStore) -> None:
    store.append(many(6))
    tamper(
        store,
        "UPDATE hemostat_events SET number = 99 WHERE number = 3",
        "UPDATE hemostat_events SET number = 3 WHERE number = 4",
        "UPDATE hemostat_events SET number = 4 WHERE number = 99",
    )
    assert findings(store) == [("reordered", 3), ("reordered", 4), ("reordered", 5)]


def test_replaced_row_with_a_new_hash_is_detected_by_the_next(store: SqlStore, url: str) -> None:
    store.append(many(3))
    with store.open_trail() as (_, links):
        forged = list(links)[2]
    tamper(
        store,
        f"UPDATE hemostat_events SET hash = {_literal(url, forged.before[::-1])} WHERE number = 2",
    )
    assert findings(store) == [("changed", 2), ("reordered", 3)]


def _literal(url: str, value: bytes) -> str:
    return f"x'{value.hex()}'" if url.startswith("sqlite") else f"'\\x{value.hex()}'::bytea"


def test_removed_tail_is_detected(store: SqlStore) -> None:
    store.append(many(4))
    tamper(store, "DELETE FROM hemostat_events WHERE number > 2")
    assert findings(store) == [("cut_off", 2)]


def test_removed_tail_with_its_head_is_detected_by_the_notes(store: SqlStore, url: str) -> None:
    store.append(many(4))
    head = store.read_ends().head
    with store.open_trail() as (_, links):
        second = list(links)[1]
    tamper(
        store,
        "DELETE FROM hemostat_events WHERE number > 2",
        f"UPDATE hemostat_trail SET head = 2, head_hash = {_literal(url, second.hash)}",
    )
    assert findings(store) == []
    assert findings(store, AnchorNotes(head=head)) == [("cut_off", 2)]


def test_rewritten_chain_is_detected_by_the_notes(store: SqlStore, url: str) -> None:
    store.append(many(2))
    head = store.read_ends().head
    tamper(
        store,
        "DELETE FROM hemostat_events",
        f"UPDATE hemostat_trail SET head = 0, head_hash = {_literal(url, INITIAL_HASH)}",
    )
    store.append(many(4, 10))
    assert findings(store) == []
    assert findings(store, AnchorNotes(head=head)) == [("changed", 2)]


def test_chain_is_verifiable_after_old_rows_are_deleted(url: str) -> None:
    moment = NOW
    store = SqlStore(url, lambda: moment)
    store.append(many(4))
    moment = NOW + LATER
    store.append(many(3, 100))
    end = store.find_outdated(moment - LATER / 2, 0, limit=100)
    assert end is not None
    assert end.number == 4
    assert store.remove(end) == 4
    assert store.remove(end) == 0
    assert findings(store) == []
    assert findings(store, AnchorNotes(anchor=end)) == []
    assert findings(store, AnchorNotes(anchor=ChainPosition(2, end.hash))) == [("cut_off", 4)]
    store.compact()
    assert len(found(store)) == 3
    assert store.append(many(3, 100)) == []
    store.close()


def test_oldest_rows_above_the_maximum_are_outdated(store: SqlStore) -> None:
    assert store.find_outdated(NOW + 1, 0, limit=100) is None
    store.append(many(10))
    assert store.find_outdated(None, 0, limit=100) is None
    assert store.find_outdated(NOW, 0, limit=100) is None
    assert store.find_outdated(None, 10, limit=100) is None
    assert _number(store.find_outdated(None, 7, limit=100)) == 3
    assert _number(store.find_outdated(NOW + 1, 0, limit=6)) == 6


def test_oldest_tenth_of_rows_above_the_size_is_outdated(store: SqlStore) -> None:
    store.append(many(25))
    assert store.find_outdated(None, 0, limit=100, size=1 << 40) is None
    end = store.find_outdated(None, 0, limit=100, size=1)
    if not store._url.startswith("sqlite"):
        assert end is None
        return
    assert _number(end) == 3
    assert _number(store.find_outdated(None, 20, limit=100, size=1)) == 5
    assert _number(store.find_outdated(None, 0, limit=2, size=1)) == 2


def _number(end: ChainPosition | None) -> int | None:
    return end and end.number


def test_reader_of_a_missing_database_finds_nothing(url: str) -> None:
    reader = SqlStore(url, lambda: NOW, write=False)
    with pytest.raises(StoreError, match="nothing is stored yet"):
        reader.read_ends()
    writer = SqlStore(url, lambda: NOW)
    writer.append(many(1))
    assert found(reader) == many(1)
    writer.append(many(2))
    assert found(reader) == list(reversed(many(2)))
    reader.close()
    writer.close()


def test_older_database_is_migrated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first version stands for the older ones, a version that does not exist yet for the newer."""
    old = SqlStore(url, lambda: NOW)
    old.append(many(3))
    old.close()
    newer = (
        *schema.MIGRATIONS,
        ("ALTER TABLE hemostat_events ADD COLUMN note TEXT", "CREATE TABLE extra (at {real})"),
    )
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", newer)
        reader = SqlStore(url, lambda: NOW, write=False)
        with pytest.raises(StoreError, match="has version 1, but 2 is required"):
            reader.read_ends()
        new = SqlStore(url, lambda: NOW)
        assert new.append(many(4)) == many(1, 3)
        assert findings(new) == []
        assert found(reader) == list(reversed(many(4)))
        new.close()
        reader.close()
    for write in (True, False):
        late = SqlStore(url, lambda: NOW, write=write)
        with pytest.raises(StoreError, match="has version 2, but this HemoStat supports at most 1"):
            late.read_ends()
        late.close()


def test_every_version_migrates_to_the_current_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in range(1, len(schema.MIGRATIONS) + 1):
        with monkeypatch.context() as patched:
            patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:version])
            old = SqlStore(url, lambda: NOW)
            old.read_ends()
            old.close()
        new = SqlStore(url, lambda: NOW)
        new.append([*many(2), event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), version)])
        assert findings(new) == []
        new.close()


def test_status_is_read_without_changes(store: SqlStore, url: str) -> None:
    reader = SqlStore(url, lambda: NOW, write=False)
    with pytest.raises(NothingStoredError):
        reader.read_status()
    store.append(many(3))
    told = reader.read_status()
    assert (told.version, told.ends, told.ends.head.number) == (len(schema.MIGRATIONS), store.read_ends(), 3)
    assert told.size > 10_000
    assert "password" not in told.place
    assert reader.find_write_obstacle() == ""
    assert reader.read_status() == told
    assert store.append(many(1, start=9))
    reader.close()


def test_read_only_database_is_known_without_a_write(store: SqlStore, url: str) -> None:
    store.append(many(3))
    store.close()
    reader = SqlStore(_read_only(url), lambda: NOW, write=False)
    assert reader.read_status().ends.head.number == 3
    assert re.search("readonly|read-only|no right to", reader.find_write_obstacle())
    assert "\n" not in reader.find_write_obstacle()
    reader.close()


def _read_only(url: str) -> str:
    """The same database, to somebody who may not write it: root may write every file, so the file says it."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        header = bytearray(path.read_bytes())
        header[18] = 3  # written in a format that is newer
        path.write_bytes(header)
        return url
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    return url.replace("hemostat@", "reader@")
