"""Properties of SQLite alone: a private file that shrinks. Messages about failures of either database."""

import os
import sqlite3
import stat
import struct
import time
from contextlib import closing

import msgspec
import pytest

from hemostat.adapters.sql_store import SqlStore, connection
from hemostat.adapters.sql_store.schema import MAX_CHARACTERS_READ
from hemostat.core.history.audit_chain import AnchorNotes
from hemostat.core.history.audit_verification import verify_chain
from hemostat.core.history.event_row import EventQuery
from hemostat.errors import ConfigError, StoreError, StoreUnreachableError
from tests.support.samples import NOW, WEB, alert, event


def open_store(path):
    return SqlStore(f"sqlite:///{path}", lambda: NOW)


def test_database_file_is_private(tmp_path):
    path = tmp_path / "state" / "history.db"
    store = open_store(path)
    store.append([event(alert())])
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
    store.close()


def test_deleted_rows_free_disk_space(tmp_path):
    path = tmp_path / "history.db"
    store = open_store(path)
    store.append([event(alert(), at) for at in range(1000)])
    store.remove(store.find_outdated(None, 1, limit=1000))
    before = _pages(path)
    store.compact()
    assert _pages(path) < before / 2
    store.close()


def _pages(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA page_count").fetchone()[0]
    finally:
        connection.close()


@pytest.mark.parametrize("value", ["'no blob'", "CAST(x'ff' AS TEXT)", "99"])
@pytest.mark.parametrize("column", ["body", "hash", "id"])
def test_row_with_an_impossible_value_is_reported(tmp_path, column, value):
    """SQLite takes any value in any column."""
    store = open_store(tmp_path / "history.db")
    store.append([event(alert(), at) for at in range(3)])
    with store._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE hemostat_events SET {column} = {value} WHERE number = 2")
    with store.open_trail() as (ends, links):
        assert next(each.number for each in verify_chain(links, ends, AnchorNotes())) == 2
    store.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "postgresql://me:p@ss:w0rd@h/db"]
)
def test_unsupported_database_url_is_refused(url):
    with pytest.raises(ConfigError, match=r"store\.url") as caught:
        SqlStore(url, lambda: NOW)
    assert "w0rd" not in str(caught.value)


def test_failure_is_one_line_without_password_and_retried():
    store = SqlStore("postgresql://me:secret@127.0.0.1:1/db?password=secret", lambda: NOW)
    with pytest.raises(StoreUnreachableError) as failed:
        store.read_ends()
    told = str(failed.value)
    assert "secret" not in told
    assert "\n" not in told
    assert "the store postgresql://********@127.0.0.1:1/db?password=********" in told
    assert failed.value.transient


def test_full_disk_is_retried(tmp_path):
    store = open_store(tmp_path / "history.db")
    store.append([event(alert())])
    with store._engine.connect() as connection:
        connection.connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreUnreachableError, match="full"):
        store.append([event(alert(), at) for at in range(1000)])
    with store._engine.connect() as connection:
        connection.connection.execute("PRAGMA max_page_count = 1000000")
    assert len(store.append([event(alert(), at) for at in range(1000)])) == 999
    store.close()


@pytest.fixture
def encoded(postgres_server):
    """A database of an encoding, made and dropped."""
    import psycopg

    made = []

    def make(encoding):
        name = encoding.lower()
        with psycopg.connect(postgres_server.url, autocommit=True) as connection:
            made.append(name)
            connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        return SqlStore(postgres_server.url.replace("/postgres?", f"/{name}?"), lambda: NOW)

    yield make
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name}")


NAMED = event(alert(container=msgspec.structs.replace(WEB, name="wéb→")))


@pytest.mark.postgres
def test_sql_ascii_database_takes_any_name(encoded):
    store = encoded("SQL_ASCII")
    assert store.append([NAMED]) == [NAMED]
    assert [row.event for row in store.find(EventQuery())] == [NAMED]
    store.close()


@pytest.mark.postgres
def test_database_without_unicode_is_refused(encoded):
    store = encoded("LATIN1")
    with pytest.raises(StoreError, match="LATIN1") as caught:
        store.append([event(alert())])
    assert not caught.value.transient
    store.close()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_database_behind_a_symlink_is_not_written(tmp_path, link):
    (target := tmp_path / "target").write_bytes(b"")
    link(target, tmp_path / "history.db")
    store = SqlStore(f"sqlite:///{tmp_path / 'history.db'}", lambda: 0.0)
    with pytest.raises(StoreUnreachableError, match=r"history.db .*link.*: remove it"):
        store.append([event(alert())])
    store.close()
    assert target.read_bytes() == b""


@pytest.mark.parametrize("write", [True, False])
def test_database_in_a_directory_that_others_can_write_is_not_opened(tmp_path, write):
    """Another user could put a journal there, by which SQLite changes the database and removes files."""
    (directory := tmp_path / "shared").mkdir(mode=0o700)
    url = f"sqlite:///{directory / 'history.db'}"
    owner = SqlStore(url, lambda: 0.0)
    owner.append([event(alert())])
    owner.close()
    directory.chmod(0o1777)
    (precious := tmp_path / "precious").write_text("precious")
    journal = make_journal(str(precious).encode())
    (directory / "history.db-journal").write_bytes(journal)
    store = SqlStore(url, lambda: 0.0, write=write)
    with pytest.raises(StoreUnreachableError, match="can be written by other users"):
        list(store.find(EventQuery()))
    store.close()
    assert precious.exists()
    assert (directory / "history.db-journal").read_bytes() == journal


def make_journal(removed: bytes) -> bytes:
    """A rollback journal that empties its database, and whose super-journal is the file to remove."""
    magic, page = bytes.fromhex("d9d505f920a163d7"), 0x40000000 // 4096 + 1
    header = (magic + struct.pack(">IIIII", 0, 0, 1, 512, 4096)).ljust(512, b"\0")
    end = struct.pack(">II", len(removed), sum(removed)) + magic
    return header + struct.pack(">I", page) + removed + end


ENDLESS = """
CREATE TRIGGER endless AFTER INSERT ON hemostat_events BEGIN
  SELECT count(*) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c);
END
"""


def test_endless_trigger_is_aborted(tmp_path, monkeypatch):
    """Who writes the database must not keep the alert role from ending."""
    monkeypatch.setattr(connection, "STATEMENT_MILLISECONDS", 300)
    store = SqlStore(f"sqlite:///{tmp_path / 'h.db'}", time.time)
    store.append([event(alert())])
    with closing(sqlite3.connect(tmp_path / "h.db")) as raw:
        raw.execute(ENDLESS)
    with pytest.raises(StoreUnreachableError, match="interrupted"):
        store.append([event(alert(), incident="b")])
    with closing(sqlite3.connect(tmp_path / "h.db")) as raw:
        raw.execute("DROP TRIGGER endless")
    time.sleep(0.4)
    assert len(store.append([event(alert(), incident="b")])) == 1
    store.compact()
    store.close()


def test_row_of_any_size_is_read_in_part_and_found(tmp_path):
    """The alert role reads the last row whenever it stores events."""
    store = open_store(tmp_path / "x.db")
    store.append([event(alert())])
    with closing(sqlite3.connect(tmp_path / "x.db")) as raw:
        raw.execute("UPDATE hemostat_events SET body = body || hex(zeroblob(20000000)), host = body")
        raw.execute("UPDATE hemostat_trail SET name = name || hex(zeroblob(20000000))")
        raw.commit()
    row = store.read_row(store.read_ends().head.number)
    assert len(row.record.body) == MAX_CHARACTERS_READ
    assert len(store.read_ends().trail) == MAX_CHARACTERS_READ
    assert [len(each.body) for each in store.find(EventQuery())] == [MAX_CHARACTERS_READ]
    store.close()


@pytest.mark.parametrize(
    "change",
    [
        "time = 'late', kept = x'ff', body = x'80ff', host = x'ff', before = '', hash = x''",
        "time = 9e999, kept = 'x', body = 5, id = 6, incident = x'00', before = 'a', hash = 7",
    ],
)
def test_value_of_another_type_is_read_in_the_type_of_its_column(tmp_path, change):
    store = open_store(tmp_path / "x.db")
    store.append([event(alert(), at) for at in range(3)])
    with closing(sqlite3.connect(tmp_path / "x.db")) as raw:
        raw.execute(f"UPDATE hemostat_events SET {change} WHERE number = 3")
        raw.commit()
    assert len(list(store.find(EventQuery()))) == 3
    assert all(isinstance(each.time, float) for each in store.find(EventQuery()))
    last = store.read_row(3)
    assert (type(last.record.body), type(last.before), type(last.hash)) == (str, bytes, bytes)
    with store.open_trail() as (ends, rows):
        assert next(verify_chain(rows, ends, AnchorNotes())).number == 3
    assert store.find_outdated(0.0, 1, limit=10) is not None
    store.close()


def test_trail_of_other_types_is_read_as_another_trail(tmp_path):
    store = open_store(tmp_path / "x.db")
    store.append([event(alert())])
    with closing(sqlite3.connect(tmp_path / "x.db")) as raw:
        raw.execute("UPDATE hemostat_trail SET head = 'x', head_hash = 'y', anchor = x'ff', name = x'ff'")
        raw.commit()
    ends = store.read_ends()
    assert (ends.head.number, ends.head.hash, ends.anchor.number) == (0, b"y", 0)
    assert isinstance(ends.trail, str)
    store.close()


@pytest.mark.parametrize("version", ["'x'", "x'ff'"])
def test_schema_version_of_another_type_is_reported(tmp_path, version):
    open_store(tmp_path / "x.db").append([event(alert())])
    with closing(sqlite3.connect(tmp_path / "x.db")) as raw:
        raw.execute(f"UPDATE hemostat_schema SET version = {version}")
        raw.commit()
    with closing(open_store(tmp_path / "x.db")) as store, pytest.raises(StoreError):
        store.read_ends()
