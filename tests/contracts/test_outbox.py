"""What channels are to be told: in memory and in Redis."""

import msgspec
import pytest

from hemostat.adapters.in_memory import outbox as memory_outbox
from hemostat.adapters.in_memory.outbox import InMemoryOutbox
from hemostat.adapters.redis import RedisOutbox
from hemostat.adapters.redis import outbox as redis_outbox
from hemostat.core.notify.notification import LastNotification
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


def test_a_word_waits_until_it_is_due_for_its_channel_alone(outbox):
    outbox.put("ops", [(OPENED, NOW + 30)])
    assert taken(outbox, 29.9) == []
    assert taken(outbox, 30.0, channel="other") == []
    assert taken(outbox, 30.0) == [(OPENED, None)]


def test_a_later_word_takes_the_place_of_the_one_that_waits(outbox):
    outbox.put("ops", [(OPENED, NOW + 30)])
    outbox.put("ops", [(HEALED, NOW + 3)])
    assert taken(outbox, 3.0) == [(HEALED, None)]
    assert taken(outbox, 3.0) == []


def test_of_one_incident_in_one_go_one_word_is_left(outbox):
    outbox.put(
        "ops", [(OPENED, NOW + 30), (HEALED, NOW + 3), (make_notification(Topic.OVER, 13.0), NOW + 13)]
    )
    assert taken(outbox, 99.0) == [(HEALED, None)]


def test_what_comes_late_changes_neither_the_word_nor_when_it_is_due(outbox):
    outbox.put("ops", [(HEALED, NOW + 3)])
    outbox.put("ops", [(OPENED, NOW + 30)])
    assert taken(outbox, 3.0) == [(HEALED, None)]


def test_the_same_word_again_waits_once(outbox):
    for _ in range(2):
        outbox.put("ops", [(HEALED, NOW + 3)])
    assert taken(outbox, 3.0) == [(HEALED, None)]


def test_what_is_taken_comes_again_unless_it_is_settled(outbox):
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, None)]
    assert taken(outbox, 59.0) == []
    assert taken(outbox, 60.0) == [(HEALED, None)]
    outbox.settle("ops", [HEALED], told=True)
    assert taken(outbox, 999.0) == []


def test_what_was_told_is_remembered_for_the_next_word_of_the_incident(outbox):
    outbox.put("ops", [(OPENED, NOW)])
    outbox.settle("ops", [OPENED], told=True)
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, LastNotification(Topic.OPENED, OPENED.time))]


def test_what_was_settled_untold_is_not(outbox):
    outbox.put("ops", [(OPENED, NOW)])
    outbox.settle("ops", [OPENED], told=False)
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, None)]


def test_what_came_while_a_word_was_told_still_waits(outbox):
    outbox.put("ops", [(OPENED, NOW)])
    taken(outbox)
    outbox.put("ops", [(HEALED, NOW)])
    outbox.put_off("ops", [OPENED], NOW + 500)
    outbox.settle("ops", [OPENED], told=True)
    assert taken(outbox) == [(HEALED, LastNotification(Topic.OPENED, OPENED.time))]


def test_what_is_put_off_waits_longer(outbox):
    outbox.put("ops", [(HEALED, NOW)])
    outbox.put_off("ops", [HEALED], NOW + 500)
    assert taken(outbox, 499.0) == []
    assert taken(outbox, 500.0) == [(HEALED, None)]


def test_those_due_first_are_taken_first(outbox):
    words = [msgspec.structs.replace(HEALED, incident=f"i{number}") for number in range(5)]
    outbox.put("ops", [(each, NOW - number) for number, each in enumerate(words)])
    assert [each for each, _ in taken(outbox, count=2)] == [words[4], words[3]]


def test_no_more_wait_than_the_bound_and_the_rest_is_told(outbox, monkeypatch):
    for module in (memory_outbox, redis_outbox):
        monkeypatch.setattr(module, "BOUND", 3)
    words = [msgspec.structs.replace(HEALED, incident=f"i{number}") for number in range(5)]
    assert outbox.put("ops", [(each, NOW + number) for number, each in enumerate(words)]) == 2
    assert [each for each, _ in taken(outbox, 9.0)] == words[2:]


def test_how_many_wait_is_told_by_channel(outbox):
    outbox.put("ops", [(OPENED, NOW), (make_notification(Topic.HEALED, incident="i2"), NOW + 999)])
    taken(outbox)
    assert (outbox.waiting("ops"), outbox.waiting("other")) == (2, 0)
    outbox.settle("ops", [OPENED], told=True)
    assert outbox.waiting("ops") == 1


@pytest.mark.redis
def test_a_word_that_came_in_between_is_not_lost(redis_client, monkeypatch):
    """Two alert roles at the same incident: the one that comes second merges anew."""
    first, second = RedisOutbox(redis_client), RedisOutbox(redis_client)
    plain = second._merged

    def overtaken(channel, words):
        monkeypatch.setattr(second, "_merged", plain)
        rows = plain(channel, words)
        first.put("ops", [(HEALED, NOW + 3)])
        return rows

    monkeypatch.setattr(second, "_merged", overtaken)
    second.put("ops", [(OPENED, NOW + 30)])
    assert taken(first, 3.0) == [(HEALED, None)]


@pytest.mark.redis
def test_what_cannot_be_read_gives_way_to_the_next_word(redis_client):
    outbox = RedisOutbox(redis_client)
    outbox.put("ops", [(OPENED, NOW)])
    redis_client.raw.hset("hemostat:outbox:ops:news", OPENED.incident, "{}")
    assert taken(outbox) == []
    outbox.put("ops", [(HEALED, NOW)])
    assert taken(outbox) == [(HEALED, None)]
