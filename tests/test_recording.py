"""The alert role with a database that goes away: no event is lost, and notifications are sent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hemostat import app, streams
from hemostat.adapters.in_memory.audit_anchor import InMemoryAuditAnchor
from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.outbox import InMemoryOutbox
from hemostat.adapters.in_memory.recent_events import InMemoryRecentEvents
from hemostat.adapters.sql_store import SqlStore
from hemostat.adapters.system_clock import SystemClock
from hemostat.app import Backends
from hemostat.app.store import STUCK_SECONDS, StoreBacklog
from hemostat.config import Settings
from hemostat.consumer import MAX_DELIVERIES
from hemostat.core.history.audit_chain import Keys
from hemostat.core.history.audit_verification import verify_chain
from hemostat.core.history.event_row import EventQuery
from hemostat.core.notify.self_monitoring import SelfMonitoringState, observe_heartbeats
from hemostat.core.settings.store import StoreSettings
from hemostat.events import Event, Heartbeat
from hemostat.heartbeat import bound_heartbeat
from tests.support.clock import FakeClock
from tests.support.engine_fixtures import eventually
from tests.support.postgres_fixtures import Server
from tests.support.samples import NOW, alert, complete, event, heartbeat

pytestmark = pytest.mark.postgres
PLAIN = Settings(host="h")
ALERT = streams.ROLES_BY_NAME["alert"]


class Wired:
    """The parts that the alert role asks for, and no others."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bus = InMemoryBus(SystemClock(threading.Event()))
        self.kept = InMemoryRecentEvents()
        self.notary = InMemoryAuditAnchor()
        self.box = InMemoryOutbox()
        self.keys: Keys = tuple

    def get_recent_events(self) -> InMemoryRecentEvents:
        return self.kept

    def get_outbox(self) -> InMemoryOutbox:
        return self.box

    def get_event_store(self) -> tuple[SqlStore, InMemoryAuditAnchor]:
        return SqlStore(self.url, lambda: NOW, keys=self.keys), self.notary

    def close(self) -> None:
        """Nothing to give up."""


@pytest.fixture
def parts(postgres_url: str) -> Iterator[Wired]:
    wired = Wired(postgres_url)
    with running(wired):
        yield wired


@contextmanager
def running(wired: Wired, settings: Settings = PLAIN) -> Iterator[None]:
    stop = threading.Event()
    given: Backends = wired  # type: ignore[assignment]

    def run() -> None:
        app.run_role("alert", settings, instance="h-1", stop=stop, parts=given)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_errors_of_channels_do_not_hide_the_audit_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    consumers: list[Any] = []

    class Consumer:
        def __init__(self, *_: Any, describe_warning: Callable[[], str]) -> None:
            consumers.append(describe_warning)

        def run(self) -> None:
            pass

    monkeypatch.setattr("hemostat.app.roles.BatchConsumer", Consumer)
    monkeypatch.setattr(
        "hemostat.app.roles.run_notifiers", lambda *_: nullcontext(lambda: "slack: 500 " * 200)
    )
    trouble = "the audit trail was replaced"
    monkeypatch.setattr("hemostat.app.roles.run_store_writer", lambda *_: nullcontext(lambda: trouble))
    with running(Wired("")):
        eventually(lambda: consumers)
    sent = bound_heartbeat(heartbeat("alert", trouble=consumers[0]()))
    beats = [event(sent, host="h")]
    assert observe_heartbeats(SelfMonitoringState(), beats, ["alert"], NOW)[1] == {
        "the audit trail of h": trouble
    }


def test_role_ends_while_the_database_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemostat.app.store.STOP_SECONDS", 0.1)
    hangs, released, returned = threading.Event(), threading.Event(), threading.Event()

    def append(*_: object) -> list[Event]:
        hangs.set()
        released.wait(20)
        returned.set()
        return []

    wired = Wired("sqlite:////nowhere/x.db")
    store: Any = SimpleNamespace(append=append, get_location=lambda _: "", close=lambda: None)
    monkeypatch.setattr(wired, "get_event_store", lambda: (store, wired.notary))
    try:
        with running(wired):
            wired.bus.publish([event(alert())])
            assert hangs.wait(20)
        assert not returned.is_set()
        assert all(each.daemon for each in threading.enumerate() if each.name == "recording")
    finally:
        released.set()


def test_hanging_database_is_reported() -> None:
    clock = FakeClock(NOW)
    backlog = StoreBacklog("store", bus=InMemoryBus(clock), clock=clock, host="h", instance="i", pid=1)
    for _ in range(20):
        backlog.send("", 3)
        assert backlog.notice() == ""
        backlog.handled_count += 1
        clock.advance(10.0)
    backlog.send("", 3)
    clock.advance(STUCK_SECONDS + 1)
    backlog.send("", 3)
    assert backlog.notice() == "3 events wait to be stored, with no progress for 31 s"
    backlog.send("", 0)
    assert backlog.notice() == ""


def stored(parts: Wired) -> list[Event]:
    store = SqlStore(parts.url, lambda: NOW, write=False)
    try:
        return [row.event for row in store.find(EventQuery())][::-1]
    finally:
        store.close()


def trouble(parts: Wired) -> str:
    beats = [event.data for event in parts.bus.read_last_values("heartbeat")]
    return next((beat.trouble for beat in beats if isinstance(beat, Heartbeat)), "")


def waiting(parts: Wired, role: streams.Role) -> int:
    return parts.bus.count_lag(role.make_group_name("h"), role.reads)


def test_events_during_an_outage_are_stored_later(parts: Wired, postgres_server: Server) -> None:
    before, meanwhile = [event(alert())], [event(alert(), 1), event(complete(), 2)]
    parts.bus.publish(before)
    eventually(lambda: not waiting(parts, streams.STORE_ROLE))
    postgres_server.stop()
    try:
        parts.bus.publish(meanwhile)
        eventually(lambda: not waiting(parts, ALERT))
        eventually(lambda: "2 events wait to be stored" in trouble(parts))
        assert all(each.id in parts.kept.events for each in meanwhile)
    finally:
        postgres_server.start()
    eventually(lambda: not waiting(parts, streams.STORE_ROLE))
    assert stored(parts) == [*before, *meanwhile]
    eventually(lambda: not trouble(parts))
    store = SqlStore(parts.url, lambda: NOW, write=False)
    with store.open_trail() as (ends, links):
        assert list(verify_chain(links, ends, parts.notary.read_notes(ends.trail))) == []
    store.close()


def test_event_is_stored_after_repeated_kills_of_the_role(postgres_url: str) -> None:
    wired, said, keeper = Wired(postgres_url), [event(alert())], streams.STORE_ROLE
    wired.bus.publish(said)
    wired.bus.read(keeper.make_group_name("h"), "h-1", keeper.reads, count=1, timeout=0)
    for _ in range(MAX_DELIVERIES):
        wired.bus.read_unfinished(keeper.make_group_name("h"), "h-1", keeper.reads)
    with running(wired):
        eventually(lambda: not waiting(wired, keeper))
    assert stored(wired) == said


def test_unreadable_audit_key_is_notified(postgres_url: str, tmp_path: Path) -> None:
    wired, key = Wired(postgres_url), tmp_path / "key"
    settings = Settings(host="h", store=StoreSettings(audit_key_file=str(key)))
    wired.keys = lambda: settings.audit_keys
    with running(wired, settings):
        wired.bus.publish([event(alert())])
        eventually(lambda: not waiting(wired, ALERT))
        eventually(lambda: "audit_key_file" in trouble(wired))
        key.write_text("k" * 32)
        eventually(lambda: not waiting(wired, streams.STORE_ROLE))
        eventually(lambda: not trouble(wired))
    assert stored(wired) == [event(alert())]
