"""Notifications that wait for their channels: in memory and in Redis."""

import msgspec
import pytest

from hemostat.adapters.in_memory import outbox as memory_outbox
from hemostat.adapters.in_memory.outbox import InMemoryOutbox
from hemostat.adapters.redis import RedisOutbox
from hemostat.adapters.redis import outbox as redis_outbox
from hemostat.core.notify.notification import LastNotification, build_self_notification
from hemostat.core.settings.alert import Topic
from hemostat.ports import Outbox
from tests.support.notifications import make_notification
from tests.support.samples import NOW

OPENED = make_notification(Topic.OPENED)
HEALED = make_notification(Topic.HEALED, 3.0)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def outbox(request) -> Outbox:
    if request.param == "memory":
        return InMemoryOutbox()
    return RedisOutbox(request.getfixturevalue("redis_client"))


def taken(outbox: Outbox, at: float = 0.0, channel: str = "ops", count: int = 10):
    return outbox.take(channel, NOW + at, lease=60.0, count=count)


def test_notification_is_due_for_its_channel_only(outbox):
    outbox.put("ops", [(OPENED, NOW + 30)])
    assert taken(outbox, 29.9) == []
    assert taken(outbox, 30.0, channel="other") == []
    assert taken(outbox, 30.0) == [(OPENED, None)]


def test_later_notification_replaces_the_pending_one(outbox):
    outbox.put("ops", [(OPENED, NOW + 30)])
    outbox.put("ops", [(HEALED, NOW + 3)])
    assert taken(outbox, 3.0) == [(HEALED, None)]
    assert taken(outbox, 3.0) == []


def test_one_notification_is_left_for_each_incident(outbox):
    outbox.put(
        "ops", [(OPENED, NOW + 30), (HEALED, NOW + 3), (make_notification(Topic.OVER, 13.0), NOW + 13)]
    )
    assert taken(outbox, 99.0) == [(HEALED, None)]


def test_late_notification_changes_nothing(outbox):
    outbox.put("ops", [(HEALED, NOW + 3)])
    outbox.put("ops", [(OPENED, NOW + 30)])
    assert taken(outbox, 3.0) == [(HEALED, None)]


def test_duplicate_notification_is_pending_once(outbox):
    for _ in range(2):
        outbox.put("ops", [(HEALED, NOW + 3)])
    assert taken(outbox, 3.0) == [(HEALED, None)]


def test_leased_notification_returns_unless_settled(outbox):
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, None)]
    assert taken(outbox, 59.0) == []
    assert taken(outbox, 60.0) == [(HEALED, None)]
    outbox.settle("ops", [HEALED], is_sent=True)
    assert taken(outbox, 999.0) == []


def test_sent_topic_is_stored_for_the_next_notification(outbox):
    outbox.put("ops", [(OPENED, NOW)])
    outbox.settle("ops", [OPENED], is_sent=True)
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, LastNotification(Topic.OPENED, OPENED.time))]


def test_unsent_settled_topic_is_not_stored(outbox):
    outbox.put("ops", [(OPENED, NOW)])
    outbox.settle("ops", [OPENED], is_sent=False)
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, None)]


def test_notification_during_a_delivery_stays_pending(outbox):
    outbox.put("ops", [(OPENED, NOW)])
    taken(outbox)
    outbox.put("ops", [(HEALED, NOW)])
    outbox.postpone("ops", [OPENED], NOW + 500)
    outbox.settle("ops", [OPENED], is_sent=True)
    assert taken(outbox) == [(HEALED, LastNotification(Topic.OPENED, OPENED.time))]


def test_deferred_notification_is_due_later(outbox):
    outbox.put("ops", [(HEALED, NOW)])
    outbox.postpone("ops", [HEALED], NOW + 500)
    assert taken(outbox, 499.0) == []
    assert taken(outbox, 500.0) == [(HEALED, None)]


def test_earliest_due_notifications_are_taken_first(outbox):
    words = [msgspec.structs.replace(HEALED, incident=f"i{number}") for number in range(5)]
    outbox.put("ops", [(each, NOW - number) for number, each in enumerate(words)])
    assert [each for each, _ in taken(outbox, count=2)] == [words[4], words[3]]


def test_notifications_above_the_limit_are_reported(outbox, monkeypatch):
    for module in (memory_outbox, redis_outbox):
        monkeypatch.setattr(module, "MAX_WAITING", 3)
    words = [msgspec.structs.replace(HEALED, incident=f"i{number}") for number in range(5)]
    assert outbox.put("ops", [(each, NOW + number) for number, each in enumerate(words)]) == 2
    assert [each for each, _ in taken(outbox, 9.0)] == words[2:]


def test_flood_of_one_project_drops_no_notification_of_another(outbox, monkeypatch):
    for module in (memory_outbox, redis_outbox):
        monkeypatch.setattr(module, "MAX_WAITING", 10)
    victim = msgspec.structs.replace(HEALED, incident="victim", project="shop", what='a "project":"evil"')
    own = build_self_notification(Topic.GONE, "monitor", "no heartbeat", NOW, host="h")
    outbox.put("ops", [(victim, NOW), (own, NOW)])
    flood = [msgspec.structs.replace(HEALED, incident=f"i{number}", project="evil") for number in range(50)]
    assert outbox.put("ops", [(each, NOW + 1 + number) for number, each in enumerate(flood)]) == 42
    assert [each for each, _ in taken(outbox, 99.0)] == [own, victim, *flood[-8:]]


def test_excess_of_two_projects_is_dropped_in_turn(outbox, monkeypatch):
    for module in (memory_outbox, redis_outbox):
        monkeypatch.setattr(module, "MAX_WAITING", 4)
    words = [
        msgspec.structs.replace(HEALED, incident=f"{project}{number}", project=project)
        for project, count in (("a", 5), ("b", 3), ("", 1))
        for number in range(count)
    ]
    assert outbox.put("ops", [(each, NOW + number) for number, each in enumerate(words)]) == 5
    assert [each.incident for each, _ in taken(outbox, 99.0)] == ["a4", "b1", "b2", "0"]


def test_pending_notifications_are_counted_by_channel(outbox):
    outbox.put("ops", [(OPENED, NOW), (make_notification(Topic.HEALED, incident="i2"), NOW + 999)])
    taken(outbox)
    assert (outbox.count_waiting("ops"), outbox.count_waiting("other")) == (2, 0)
    outbox.settle("ops", [OPENED], is_sent=True)
    assert outbox.count_waiting("ops") == 1


@pytest.mark.redis
def test_concurrent_notification_is_not_lost(redis_client, monkeypatch):
    """Two alert roles with notifications of the same incident: the second one merges again."""
    first, second = RedisOutbox(redis_client), RedisOutbox(redis_client)
    plain = second._merge_rows

    def overtaken(channel, words):
        monkeypatch.setattr(second, "_merge_rows", plain)
        rows = plain(channel, words)
        first.put("ops", [(HEALED, NOW + 3)])
        return rows

    monkeypatch.setattr(second, "_merge_rows", overtaken)
    second.put("ops", [(OPENED, NOW + 30)])
    assert taken(first, 3.0) == [(HEALED, None)]


@pytest.mark.redis
def test_unreadable_notification_is_replaced(redis_client):
    outbox = RedisOutbox(redis_client)
    outbox.put("ops", [(OPENED, NOW)])
    redis_client.raw.hset("hemostat:outbox:ops:news", OPENED.incident, "{}")
    assert taken(outbox) == []
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, None)]
