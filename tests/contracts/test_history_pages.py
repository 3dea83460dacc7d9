"""Pages of stored events, on SQLite and PostgreSQL."""

import tracemalloc

import pytest
import sqlalchemy as sql

from hemostat.adapters.sql_store import query as pages
from hemostat.core.history.event_row import EventPosition, EventQuery
from hemostat.events import encode
from tests.contracts.test_records import DB, store, url
from tests.support.samples import NOW, alert, event

__all__ = ["store", "url"]

COUNT = 40_000
SERIES = {
    "sqlite": "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < :count)",
    "postgresql": "WITH n(value) AS (SELECT generate_series(1, :count))",
}
FILL = """
INSERT INTO hemostat_events
  (number, id, time, kept, type, host, container, project, kind, outcome, incident, body, before, hash)
SELECT value, 'e' || value, :now + value / 2, :now, 'health_alert', 'h', 'web-' || (value % 10), '', 'exited',
  '', 'i' || value, :body, :hash, :hash FROM n ORDER BY value
"""
"""Two rows of each time."""


def fill(store, count):
    with store._engine.begin() as connection:
        values = {"count": count, "now": NOW, "body": encode(event(alert())).decode(), "hash": bytes(32)}
        connection.execute(sql.text(SERIES[connection.dialect.name] + FILL), values)


def read_pages(store, query, limit):
    """The numbers of the rows of all pages, the newest page first."""
    found, before = [], None
    while True:
        page = store.find_page(query, limit=limit, before=before)
        found.append([int(row.id[1:]) for row in store.iterate_page(query, page)])
        if page.next is None:
            return found
        before = EventPosition.parse(str(page.next))


def test_pages_contain_every_row_once_in_order(store):
    store.append([])
    store.find_outdated(None, 0, limit=1)
    fill(store, 25)
    assert read_pages(store, EventQuery(), 10) == [
        list(range(16, 26)),
        list(range(6, 16)),
        list(range(1, 6)),
    ]
    assert read_pages(store, EventQuery(), 25) == [list(range(1, 26))]
    assert read_pages(store, EventQuery(container="web-3"), 2) == [[13, 23], [3]]
    assert read_pages(store, EventQuery(container="web-3", since=NOW + 5, until=NOW + 11), 1) == [[13]]
    assert read_pages(store, EventQuery(container="none"), 2) == [[]]


def test_page_without_limit_has_all_rows(store, monkeypatch):
    monkeypatch.setattr(pages, "ROWS_PER_BATCH", 7)
    monkeypatch.setattr("hemostat.adapters.sql_store.store.ROWS_PER_BATCH", 7)
    store.find_outdated(None, 0, limit=1)
    fill(store, 25)
    assert read_pages(store, EventQuery(), 0) == [list(range(1, 26))]


def test_next_page_stays_the_same_when_events_are_stored(store):
    store.append([event(alert(container=DB), number) for number in range(6)])
    first = store.find_page(EventQuery(), limit=3)
    store.append([event(alert(), number) for number in (6, 7)])
    times = [row.time - NOW for row in store.iterate_page(EventQuery(), first)]
    second = store.find_page(EventQuery(), limit=3, before=first.next)
    assert times == [3, 4, 5]
    assert [row.time - NOW for row in store.iterate_page(EventQuery(), second)] == [0, 1, 2]
    assert second.next is None


def test_forty_thousand_rows_are_paged_in_bounded_memory(store):
    store.find_outdated(None, 0, limit=1)
    fill(store, COUNT)
    tracemalloc.start()
    page = store.find_page(EventQuery(), limit=0)
    count = sum(1 for _ in store.iterate_page(EventQuery(), page))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == COUNT
    assert peak < 8 * 1024 * 1024
    page = store.find_page(EventQuery(container="web-3"), limit=100, before=EventPosition(NOW + 10_000, 0))
    rows = [int(row.id[1:]) for row in store.iterate_page(EventQuery(container="web-3"), page)]
    assert rows == list(range(19_003, 20_000, 10))


@pytest.mark.parametrize("text", ["", "5", "x:1", "1:x", "nan:1", "inf:1", "1:99999999999999999999"])
def test_text_that_is_not_a_position_is_refused(text):
    with pytest.raises(ValueError, match=r"could not|invalid|out of range"):
        EventPosition.parse(text)


def test_row_with_an_impossible_time_does_not_repeat(tmp_path):
    """SQLite takes any value in any column."""
    from hemostat.adapters.sql_store import SqlStore

    opened = SqlStore(f"sqlite:///{tmp_path / 'store'}", lambda: NOW)
    opened.append([event(alert(), number) for number in range(5)])
    with opened._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hemostat_events SET time = 'later' WHERE number < 3")
    for limit in (0, 2, 4):
        page = opened.find_page(EventQuery(), limit=limit)
        assert len(list(opened.iterate_page(EventQuery(), page))) <= 5
    opened.close()
