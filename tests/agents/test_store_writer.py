"""Events are stored, and old ones removed so that it shows when others are."""

import pytest

from hemostat.adapters.in_memory.audit_anchor import InMemoryAuditAnchor
from hemostat.adapters.sql_store import SqlStore
from hemostat.adapters.sql_store.inspect import measure_content
from hemostat.adapters.sql_store.schema import events, trail
from hemostat.agents.store_writer import SWEEP_SECONDS, AuditWatch, StoreWriter
from hemostat.agents.store_writer.audit_watch import ANNOUNCE_SECONDS
from hemostat.core.history.audit_chain import INITIAL_HASH
from hemostat.core.history.audit_verification import verify_chain
from hemostat.core.history.event_row import EventQuery
from hemostat.core.settings.store import StoreSettings
from hemostat.errors import StoreUnreachableError
from tests.support.clock import FakeClock
from tests.support.samples import alert, event

DAY = 86_400.0


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock, tmp_path):
    opened = SqlStore(f"sqlite:///{tmp_path / 'store'}", clock.now)
    yield opened
    opened.close()


def many(count, start=0):
    return [event(alert(), at) for at in range(start, start + count)]


def kept(store):
    return len(list(store.find(EventQuery())))


def findings(store, notary):
    with store.open_trail() as (ends, links):
        return list(verify_chain(links, ends, notary.read_notes(ends.trail)))


def test_chain_head_is_noted_with_each_write(store, clock):
    notary = InMemoryAuditAnchor()
    role = StoreWriter(store, notary, clock, StoreSettings())
    role.store_events(many(3))
    role.store_events(many(5))
    ends = store.read_ends()
    assert notary.read_notes(ends.trail).head == ends.head
    assert ends.head.number == 5


def test_expired_rows_are_deleted(store, clock):
    notary = InMemoryAuditAnchor()
    role = StoreWriter(store, notary, clock, StoreSettings(retention=7 * DAY))
    role.store_events(many(3))
    clock.advance(8 * DAY)
    role.store_events(many(2, 10))
    assert kept(store) == 2
    assert findings(store, notary) == []


def test_excess_rows_are_deleted_at_intervals(store, clock):
    notary = InMemoryAuditAnchor()
    role = StoreWriter(store, notary, clock, StoreSettings(max_events=4))
    role.store_events(many(10))
    assert kept(store) == 4
    role.store_events(many(3, 20))
    assert kept(store) == 7
    clock.advance(SWEEP_SECONDS)
    role.store_events(many(1, 30))
    assert kept(store) == 4
    assert findings(store, notary) == []


def test_store_that_is_too_large_shrinks_below_its_maximum(store, clock):
    notary = InMemoryAuditAnchor()
    role = StoreWriter(store, notary, clock, StoreSettings(max_size=300_000))
    for number in range(50):
        clock.advance(SWEEP_SECONDS)
        role.store_events(many(20, 20 * number))
    with store._begin_reading() as connection:
        assert measure_content(connection) < 400_000
    assert 100 < kept(store) < 900
    assert findings(store, notary) == []


def test_rows_without_expiry_are_kept(store, clock):
    role = StoreWriter(store, InMemoryAuditAnchor(), clock, StoreSettings(retention=0))
    role.store_events(many(3))
    clock.advance(4000 * DAY)
    role.store_events(many(1, 10))
    assert kept(store) == 4


@pytest.mark.parametrize("most", [0, 9])
def test_rows_removed_from_the_start_are_detected(store, clock, most):
    """The anchor was moved with them, but not where it is noted."""
    notary = InMemoryAuditAnchor()
    role = StoreWriter(store, notary, clock, StoreSettings(max_events=most))
    role.store_events(many(10))
    store.remove(store.find_outdated(None, 5, limit=100))
    again = StoreWriter(store, notary, clock, StoreSettings())
    again.store_events(many(11))
    assert [(each.what, each.number) for each in findings(store, notary)] == [("cut_off", 5)]


def test_removed_tail_is_detected_after_later_writes(store, clock):
    """With its head, as whoever can write the database would."""
    notary = InMemoryAuditAnchor()
    StoreWriter(store, notary, clock, StoreSettings()).store_events(many(5))
    with store._begin_writing() as connection:
        connection.execute(events.delete())
        connection.execute(trail.update().values(head=0, head_hash=INITIAL_HASH))
    role = StoreWriter(store, notary, clock, StoreSettings())
    for start in (10, 20):
        role.store_events(many(6, start))
        assert [(each.what, each.number) for each in findings(store, notary)] == [("changed", 5)]


def test_head_of_a_removed_row_does_not_block_writes(store, clock):
    notary = InMemoryAuditAnchor()
    role = StoreWriter(store, notary, clock, StoreSettings())
    role.store_events(many(5))
    notary.note_anchor(store.read_ends().trail, store.read_ends().head)
    store.remove(store.find_outdated(None, 1, limit=100))
    store.remove(store.read_ends().head)
    role.store_events(many(2, 10))
    assert notary.read_notes(store.read_ends().trail).head == store.read_ends().head


def watched(store, notary, clock, lines):
    watch = AuditWatch(store, notary, clock, location="p", announce=lines.append)
    return StoreWriter(store, notary, clock, StoreSettings(), watch)


def test_chain_head_is_published_every_hour(store, clock):
    notary, lines = InMemoryAuditAnchor(), []
    role = watched(store, notary, clock, lines)
    for _ in range(130):
        assert role.check() == ""
        clock.advance(60)
    assert len(lines) == 3
    role.store_events(many(2))
    assert len(lines) == 3
    clock.advance(ANNOUNCE_SECONDS)
    role.check()
    assert f"head={store.read_ends().head}" in lines[-1]


def test_replaced_chain_is_reported_without_writes(store, clock):
    notary = InMemoryAuditAnchor()
    role = watched(store, notary, clock, [])
    role.store_events(many(3))
    with store._begin_writing() as connection:
        connection.execute(trail.update().values(name="other"))
    assert role.notice() == ""
    clock.advance(60)
    role.check()
    assert "was replaced" in role.notice()


def test_replaced_trail_is_logged_once(store, clock, caplog):
    role = watched(store, InMemoryAuditAnchor(), clock, [])
    role.store_events(many(3))
    with store._begin_writing() as connection:
        connection.execute(trail.update().values(name="other"))
    for _ in range(3):
        role.store_events(many(1))
    assert caplog.text.count("audit.replaced") == 1
    assert role.notice()


def test_unreachable_database_is_not_a_finding(store, clock, monkeypatch):
    role = watched(store, InMemoryAuditAnchor(), clock, [])
    role.store_events(many(3))

    def away():
        raise StoreUnreachableError("away")

    monkeypatch.setattr(store, "read_ends", away)
    clock.advance(60)
    role.check()
    assert role.notice() == ""


def test_rows_of_two_roles_are_not_a_finding(store, clock):
    """Nor those that one removes while the other notes."""
    notary = InMemoryAuditAnchor()
    one, other = (watched(store, notary, clock, []) for _ in range(2))
    for start in range(0, 60, 6):
        one.store_events(many(3, start))
        other.store_events(many(3, start + 3))
        assert (one.notice(), other.notice()) == ("", "")
    assert findings(store, notary) == []
