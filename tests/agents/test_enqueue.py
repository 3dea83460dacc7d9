"""Every event is stored once, and notifications are queued for the channels that they concern."""

from collections.abc import Sequence

import pytest

from hemostat.adapters.in_memory import outbox as memory_outbox
from hemostat.adapters.in_memory.outbox import InMemoryOutbox
from hemostat.adapters.in_memory.recent_events import InMemoryRecentEvents
from hemostat.agents.notifier.enqueue import Enqueuer
from hemostat.core.metrics.definitions import ignore_count
from hemostat.core.settings.alert import AlertSettings, Channel, Topic
from hemostat.errors import BusUnreachableError
from hemostat.events import Event, Kind
from tests.support.counted import Counted
from tests.support.samples import ALL, CLEARED, NOW, alert, complete, event

GRACE = AlertSettings(grace=30.0)


def role(store, outbox, count=ignore_count, **channels: Channel) -> Enqueuer:
    return Enqueuer(store, outbox, channels, GRACE, count=count)


def waiting(outbox: InMemoryOutbox, channel: str, at: float) -> list[Topic]:
    return [word.topic for word, _ in outbox.take(channel, NOW + at, lease=0.0, count=99)]


def test_every_event_is_stored():
    store = InMemoryRecentEvents()
    role(store, InMemoryOutbox()).store_events(ALL)
    assert all(each.id in store.events for each in ALL)


def test_crash_healed_within_the_grace_is_one_message():
    outbox = InMemoryOutbox()
    told = role(InMemoryRecentEvents(), outbox, ops=Channel())
    told.store_events([event(alert())])
    assert waiting(outbox, "ops", 29.0) == []
    told.store_events([event(complete(), 3.0), event(CLEARED, 13.0)])
    assert waiting(outbox, "ops", 99.0) == [Topic.HEALED]


def test_unhandled_incident_is_sent_after_the_grace():
    outbox = InMemoryOutbox()
    role(InMemoryRecentEvents(), outbox, ops=Channel()).store_events([event(alert())])
    assert waiting(outbox, "ops", 30.0) == [Topic.OPENED]


def test_each_channel_gets_its_own_notifications():
    outbox = InMemoryOutbox()
    told = role(InMemoryRecentEvents(), outbox, all=Channel(), memory=Channel(kinds=(Kind.OOM,)))
    told.store_events([event(complete())])
    assert waiting(outbox, "all", 0.0) == [Topic.HEALED]
    assert waiting(outbox, "memory", 0.0) == []


def test_notification_above_the_limit_is_counted(monkeypatch):
    monkeypatch.setattr(memory_outbox, "MAX_WAITING", 1)
    counted = Counted()
    told = role(
        InMemoryRecentEvents(), InMemoryOutbox(), counted, ops=Channel(), none=Channel(kinds=(Kind.OOM,))
    )
    told.store_events([event(complete(), incident=f"i{number}") for number in range(3)])
    assert counted == {("ops", "dropped"): 2}


class Forgetful(InMemoryRecentEvents):
    """Fails the first time."""

    failed = False

    def append(self, events: Sequence[Event]) -> list[Event]:
        if not self.failed:
            self.failed = True
            raise BusUnreachableError("Redis is gone")
        return super().append(events)


def test_repeated_event_leaves_one_notification():
    store, outbox = Forgetful(), InMemoryOutbox()
    told = role(store, outbox, ops=Channel())
    done = event(complete())
    with pytest.raises(BusUnreachableError):
        told.store_events([done])
    told.store_events([done])
    assert waiting(outbox, "ops", 0.0) == [Topic.HEALED]
    assert done.id in store.events
