"""The contract of Bus: Redis and the in-memory fake."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from math import inf
from typing import NamedTuple

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.redis import Client, RedisBus
from hemostat.core.evidence.snapshot import MAX_POINTS, POINTS_TTL_SECONDS, MetricPoint
from hemostat.errors import BusError
from hemostat.events import DURABLE, TYPES, Container, Event, encode
from hemostat.ports import Bus, DueEntries
from hemostat.streams import WRITERS
from tests.support.clock import FakeClock
from tests.support.engine_fixtures import eventually
from tests.support.samples import ALL, NOW, alert, complete, event, heartbeat, needed, order, stats

STREAM = "health_alert"
DB = Container(id="c2", name="db")
BOTH = (STREAM, "remediation_needed")


class Lab(NamedTuple):
    bus: Bus
    put: Callable[[str, bytes], object]
    """Appends bytes as they are."""
    dead: Callable[[], list[str]]
    """The errors of the dead letters."""
    pass_time: Callable[[float], object]
    lasts: Callable[[str], float]
    """Seconds until a key expires."""
    publish: Callable[[str, Event], object]
    """Publishes an event on any channel."""


def _memory() -> Lab:
    clock = FakeClock()
    bus = InMemoryBus(clock)
    return Lab(
        bus,
        bus.put_raw,
        lambda: [error for _, error in bus.dead_letters],
        clock.advance,
        lambda _: POINTS_TTL_SECONDS,
        bus.publish_as,
    )


def _redis(request: pytest.FixtureRequest) -> Lab:
    client = request.getfixturevalue("redis_client")

    def dead() -> list[str]:
        return [fields[b"error"].decode() for _, fields in client.raw.xrange("hemostat:dead")]

    def put(stream: str, raw: bytes) -> object:
        return client.raw.xadd(f"hemostat:{stream}", {"event": raw})

    def pass_time(seconds: float) -> None:
        threading.Event().wait(seconds)

    def publish(channel: str, message: Event) -> object:
        return client.raw.publish(f"hemostat:{channel}", encode(message))

    return Lab(RedisBus(client), put, dead, pass_time, lambda key: client.raw.pttl(key) / 1000, publish)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def lab(request: pytest.FixtureRequest) -> Lab:
    return _memory() if request.param == "memory" else _redis(request)


@pytest.fixture
def bus(lab: Lab) -> Bus:
    return lab.bus


def read(bus: Bus, role: str = "analyzer", consumer: str = "a", count: int = 10) -> list:
    return bus.read(role, consumer, BOTH, count=count, timeout=0)


def test_every_role_gets_every_event_once(bus: Bus) -> None:
    """Two readers of one role share the events, two roles each get all of them."""
    sent = [event(alert(), at) for at in range(4)]
    bus.publish(sent)
    shared = [*read(bus, consumer="a", count=2), *read(bus, consumer="b")]
    assert [entry.event for entry in shared] == sent
    assert read(bus) == []
    assert [entry.event for entry in read(bus, role="alert")] == sent


def test_events_before_the_start_of_a_role_are_delivered(bus: Bus) -> None:
    bus.publish([event(alert())])
    assert len(read(bus, role="a new role")) == 1


def test_reading_waits_for_the_first_event(bus: Bus) -> None:
    """A reader that waits gets the event when it is published, not when its time is up."""
    got: list = []
    reader = threading.Thread(
        target=lambda: got.extend(bus.read("analyzer", "a", [STREAM], count=1, timeout=4))
    )
    reader.start()
    bus.publish([event(alert())])
    reader.join()
    assert len(got) == 1


def test_acknowledge_publishes_the_result(bus: Bus) -> None:
    bus.publish([event(alert())])
    (entry,) = read(bus)
    answer = event(needed(), 1)
    bus.ack_all("analyzer", [(entry, [answer])])
    assert [entry.event for entry in read(bus, role="responder")] == [entry.event, answer]
    assert bus.read_unfinished("analyzer", "a", BOTH) == []


@pytest.mark.redis
def test_entry_is_not_acknowledged_when_publishing_fails(redis_client: Client) -> None:
    """Redis does not undo commands when it refuses one, so the final command comes last."""
    bus = RedisBus(redis_client)
    bus.publish([event(alert())])
    (entry,) = read(bus)
    redis_client.raw.delete("hemostat:remediation_needed")
    redis_client.raw.set("hemostat:remediation_needed", "no stream")
    with pytest.raises(BusError, match="not of HemoStat's type"):
        bus.ack_all("analyzer", [(entry, [event(needed())])])
    assert len(bus.read_unfinished("analyzer", "a", [STREAM])) == 1


def test_lag_counts_unread_and_pending_entries(bus: Bus) -> None:
    bus.publish([event(alert(), at) for at in range(3)])
    assert bus.count_lag("analyzer", [STREAM]) == 3
    first, *_ = read(bus, count=2)
    assert bus.count_lag("analyzer", [STREAM]) == 3
    bus.ack_all("analyzer", [(first, [])])
    assert bus.count_lag("analyzer", [STREAM]) == 2


def test_returning_consumer_gets_its_pending_entries(bus: Bus) -> None:
    """It gets no entries of another consumer. An entry counts as delivered once the consumer says that it
    works on it."""
    bus.publish([event(alert(), at) for at in range(2)])
    read(bus, consumer="a", count=1)
    read(bus, consumer="b", count=1)
    (entry,) = bus.read_unfinished("analyzer", "a", BOTH)
    assert (entry.deliveries, entry.event) == (2, event(alert(), 0))
    assert bus.read_unfinished("analyzer", "a", BOTH) == [entry], "the answer may have been lost"
    bus.extend_delivery("analyzer", "a", [entry])
    bus.extend_delivery("analyzer", "a", [entry])
    (entry,) = bus.read_unfinished("analyzer", "a", BOTH)
    assert entry.deliveries == 3


def test_abandoned_entry_is_claimed_by_another_consumer(lab: Lab) -> None:
    lab.bus.publish([event(alert())])
    read(lab.bus, consumer="dead")
    assert lab.bus.claim("analyzer", "b", BOTH, idle=60) == []
    lab.pass_time(0.06)
    (entry,) = lab.bus.claim("analyzer", "b", BOTH, idle=0.05)
    assert (entry.deliveries, entry.event) == (2, event(alert()))
    assert [entry.id for entry in lab.bus.read_unfinished("analyzer", "b", BOTH)] == [entry.id]


def test_renewed_entry_is_not_claimed_or_counted(lab: Lab) -> None:
    lab.bus.publish([event(alert())])
    (entry,) = read(lab.bus, consumer="a")
    lab.pass_time(0.5)
    lab.bus.extend_delivery("analyzer", "a", [entry])
    assert lab.bus.claim("analyzer", "b", BOTH, idle=0.4) == []
    assert lab.bus.read_unfinished("analyzer", "a", BOTH)[0].deliveries == 2


@pytest.mark.redis
def test_roles_continue_after_redis_has_lost_its_data(redis_client: Client) -> None:
    bus = RedisBus(redis_client)
    bus.publish([event(alert())])
    read(bus)
    redis_client.raw.flushall()
    assert bus.claim("analyzer", "a", BOTH, idle=0) == []
    redis_client.raw.flushall()
    bus.publish([event(alert(), 1)])
    assert [entry.event for entry in read(bus)] == [event(alert(), 1)]


@pytest.mark.redis
def test_entries_that_cannot_be_kept_raise(redis_client: Client) -> None:
    bus = RedisBus(redis_client)
    bus.publish([event(alert())])
    entries = read(bus)
    redis_client.raw.set(f"hemostat:{STREAM}", "no stream")
    with pytest.raises(BusError):
        bus.extend_delivery("analyzer", "a", entries)


def test_released_entry_can_be_claimed_at_once(lab: Lab) -> None:
    lab.bus.publish([event(alert()), event(alert(container=DB))])
    (mine,) = read(lab.bus, consumer="a", count=1)
    (other,) = read(lab.bus, consumer="b", count=1)
    assert lab.bus.claim("analyzer", "c", BOTH, idle=60) == []
    lab.bus.release("analyzer", "a", BOTH)
    (claimed,) = lab.bus.claim("analyzer", "c", BOTH, idle=60)
    assert (claimed.id, claimed.event, claimed.deliveries) == (mine.id, mine.event, 2)
    assert [each.id for each in lab.bus.read_unfinished("analyzer", "b", BOTH)] == [other.id]
    lab.bus.release("analyzer", "a", BOTH)
    assert lab.bus.claim("analyzer", "b", BOTH, idle=60) == []


def test_deferred_entry_returns_when_due(bus: Bus) -> None:
    """It returns no earlier and only once, however many consumers ask for it."""
    bus.publish([event(alert())])
    (entry,) = read(bus)
    bus.defer("analyzer", entry, until=100.0)
    assert (bus.count_lag("analyzer", [STREAM]), read(bus)) == (0, [])
    assert bus.read_due("analyzer", BOTH, 99.9, count=9) == DueEntries([], 100.0)
    assert bus.read_due("alert", BOTH, 100.0, count=9) == DueEntries([]), "another role has not put it off"
    assert bus.read_due("analyzer", ["remediation_needed"], 100.0, count=9) == DueEntries([])
    (due,) = bus.read_due("analyzer", BOTH, 100.0, count=9).entries
    assert (due.event, due.stream, due.id) == (entry.event, entry.stream, entry.id)
    promoted: list[int] = []
    askers = [
        threading.Thread(target=lambda: promoted.append(bus.requeue("analyzer", [due]))) for _ in range(8)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert sorted(promoted) == [0] * 7 + [1]
    assert [again.event for again in read(bus)] == [entry.event]
    assert bus.read_due("analyzer", BOTH, 100.0, count=9) == DueEntries([])


def test_entry_deferred_again_stays_off_the_stream(bus: Bus) -> None:
    bus.publish([event(alert()), event(alert(container=DB))])
    for number, entry in enumerate(read(bus)):
        bus.defer("analyzer", entry, until=100.0 + number)
    first, second = bus.read_due("analyzer", BOTH, 110.0, count=9).entries
    assert bus.read_due("analyzer", BOTH, 110.0, count=1).entries == [first]
    bus.postpone("analyzer", [(first, 200.0)])
    assert bus.read_due("analyzer", BOTH, 110.0, count=9) == DueEntries([second], 200.0)
    assert len(bus.read_recent(STREAM, 9)) == 2
    assert bus.requeue("analyzer", [second]) == 1
    bus.postpone("analyzer", [(second, 50.0)])
    assert bus.read_due("analyzer", BOTH, 110.0, count=9) == DueEntries([], 200.0), (
        "what is back is not put off"
    )
    assert bus.requeue_due("analyzer", BOTH, 200.0) == 1
    assert len(bus.read_recent(STREAM, 9)) == 4


@pytest.mark.parametrize("way", ["put_back", "promote"])
def test_reported_reasons_stay_with_a_deferred_entry(bus: Bus, way: str) -> None:
    bus.publish([event(alert())])
    (entry,) = read(bus)
    assert entry.reported == ()
    reasons = ("paused", "a reason of a later version", "")
    bus.defer("analyzer", msgspec.structs.replace(entry, notes=reasons), until=100.0)
    (due,) = bus.read_due("analyzer", BOTH, 100.0, count=9).entries
    assert (due.id, due.event, due.reported) == (entry.id, entry.event, reasons)
    bus.postpone("analyzer", [(due, 200.0)])
    assert bus.read_due("analyzer", BOTH, 100.0, count=9) == DueEntries([], 200.0)
    if way == "put_back":
        assert bus.requeue("analyzer", [due]) == 1
    else:
        assert bus.requeue_due("analyzer", BOTH, 200.0) == 1
    (again,) = read(bus)
    assert (again.event, again.reported) == (entry.event, reasons)
    bus.defer("analyzer", again, until=100.0)
    (due,) = bus.read_due("analyzer", BOTH, 100.0, count=9).entries
    assert due.reported == reasons


@pytest.mark.redis
@pytest.mark.parametrize("name", [b" ", b" 1-1", b"1-1 ", b"1-1 \xff,", b"1-1  ,"])
def test_deferred_entry_of_any_name_can_be_put_off_and_back(redis_client: Client, name: bytes) -> None:
    bus = RedisBus(redis_client)
    member = name + b"\x1f" + encode(event(alert()))
    redis_client.raw.zadd(f"hemostat:deferred:{STREAM}:analyzer", {member: 100.0})
    (due,) = bus.read_due("analyzer", BOTH, 100.0, count=9).entries
    bus.postpone("analyzer", [(due, 200.0)])
    assert bus.read_due("analyzer", BOTH, 100.0, count=9) == DueEntries([], 200.0)
    assert bus.requeue("analyzer", [due]) == 1
    assert [each.event for each in read(bus)] == [event(alert())]


@pytest.mark.redis
def test_entry_deferred_by_an_older_version_returns(redis_client: Client) -> None:
    bus = RedisBus(redis_client)
    redis_client.raw.zadd(f"hemostat:deferred:{STREAM}", {b"1-1\x1f" + encode(event(alert())): 100.0})
    assert bus.read_due("analyzer", BOTH, 200.0, count=9) == DueEntries([])
    assert bus.requeue_due("", BOTH, inf) == 1
    assert [each.event for each in read(bus)] == [event(alert())]


def test_dead_letter_has_the_reason_and_is_acknowledged(lab: Lab) -> None:
    lab.bus.publish([event(alert())])
    (entry,) = read(lab.bus)
    assert lab.bus.count_dead_letters() == 0
    assert lab.bus.read_last_dead_letter() is None
    lab.bus.move_to_dead_letters("analyzer", entry, "it is poison", now=1.0, outputs=[event(needed())])
    assert (lab.dead(), lab.bus.count_lag("analyzer", [STREAM])) == (["it is poison"], 0)
    assert (lab.bus.count_dead_letters(), lab.bus.read_recent("remediation_needed", 9)) == (
        1,
        [event(needed())],
    )
    last = lab.bus.read_last_dead_letter()
    assert last is not None
    assert (last.stream, last.error) == (entry.stream, "it is poison")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\x00", b"[]", b'{"id":1}', b"null", b"x" * 300_000])
def test_invalid_bytes_are_delivered_as_invalid(lab: Lab, raw: bytes) -> None:
    """The reader gets the error, and then the next event."""
    lab.put(STREAM, raw)
    lab.bus.publish([event(alert())])
    broken, whole = read(lab.bus)
    assert (broken.event, bool(broken.error), broken.raw) == (None, True, raw)
    assert whole.event == event(alert())


@pytest.mark.parametrize("stream", DURABLE)
def test_stream_accepts_only_events_of_its_type(lab: Lab, stream: str) -> None:
    for each in ALL:
        lab.put(stream, encode(each))
    own = [each for each in ALL if each.type == stream]
    entries = lab.bus.read("alert", "a", [stream], count=20, timeout=0)
    assert [entry.event for entry in entries if entry.event is not None] == own
    assert all(f"does not belong in {stream}" in entry.error for entry in entries if entry.event is None)
    assert len(entries) == len(ALL)
    assert lab.bus.read_recent(stream, 20) == own
    after = lab.bus.read_after(stream, "0-0", 20)
    assert [entry.event for entry in after if entry.event is not None] == own
    left = lab.bus.read_unfinished("alert", "a", [stream])
    assert [entry.event for entry in left if entry.event is not None] == own


def test_channel_accepts_only_events_of_its_type(lab: Lab) -> None:
    with closing(_subscription(lab.bus, [*TYPES])) as heard:
        for channel in TYPES:
            for each in ALL:
                lab.publish(channel, each)
        received: list[Event] = []
        while len(received) < len(ALL):
            received += [each for each in [next(heard)] if each is not None]
        assert next(heard) is None
    assert [each.type for each in received] == [*TYPES]
    assert {each.id for each in received} == {each.id for each in ALL}


@pytest.mark.parametrize("genuine", ALL, ids=lambda genuine: genuine.type)
def test_event_of_a_source_that_does_not_write_its_type_is_refused(lab: Lab, genuine: Event) -> None:
    other = next(name for name in ("people", "analyzer", "store") if name not in WRITERS[genuine.type])
    forged = msgspec.structs.replace(genuine, source=f"{other}@h-1")
    with closing(_subscription(lab.bus, [genuine.type])) as heard:
        lab.publish(genuine.type, forged)
        lab.publish(genuine.type, genuine)
        received = next(each for each in heard if each is not None)
    assert received == genuine
    if genuine.type in DURABLE:
        lab.put(genuine.type, encode(forged))
        (entry,) = lab.bus.read("alert", "a", [genuine.type], count=9, timeout=0)
        assert (entry.event, entry.error) == (None, f"{other!r} does not write {genuine.type}")


def test_deferred_entry_of_another_type_is_refused(lab: Lab) -> None:
    """The set of deferred entries may be written by more users than its stream."""
    lab.put(STREAM, encode(event(order())))
    (entry,) = lab.bus.read("alert", "a", [STREAM], count=9, timeout=0)
    lab.bus.defer("alert", entry, 1.0)
    (due,) = lab.bus.read_due("alert", [STREAM], 2.0, count=9).entries
    assert due.event is None
    assert "does not belong" in due.error


def test_recent_events_are_ordered_oldest_first(lab: Lab) -> None:
    lab.put(STREAM, b"not an event")
    lab.bus.publish([event(alert(), at) for at in range(5)])
    assert [each.time for each in lab.bus.read_recent(STREAM, 3)] == [
        event(alert(), at).time for at in (2, 3, 4)
    ]
    assert lab.bus.read_recent("false_alarm", 3) == []


def test_last_values_are_one_for_each_source_and_expire(lab: Lab) -> None:
    web, db = stats(), stats(container=DB)
    lab.bus.publish_live([event(web, 0), event(db, 0)], ttl=60)
    lab.bus.publish_live(
        [event(web, 1), event(heartbeat("monitor"), 1), event(heartbeat("alert"), 1)], ttl=60
    )
    last = sorted(lab.bus.read_last_values("container_stats"), key=lambda each: each.data.container.name)
    assert last == [event(db, 0), event(web, 1)]
    assert len(lab.bus.read_last_values("heartbeat")) == 2
    lab.bus.publish_live([event(web, 2)], ttl=0.02)
    lab.pass_time(0.03)
    assert [each.data.container.name for each in lab.bus.read_last_values("container_stats")] == ["db"]


def test_same_name_on_two_hosts_is_two_containers(lab: Lab) -> None:
    here = event(stats())
    there = msgspec.structs.replace(here, host="elsewhere")
    lab.bus.publish_live([here, there], ttl=60)
    assert {each.host for each in lab.bus.read_last_values("container_stats")} == {"h", "elsewhere"}


def test_history_is_the_latest_points_of_a_container(bus: Bus) -> None:
    """The points of that name on that host, oldest first, up to the maximum number."""
    assert bus.read_metrics("h", "web") == []
    bus.publish_live([event(stats(cpu=None, memory=None)), event(stats(cpu=99.0), host="other")], ttl=5)
    for second in range(1, MAX_POINTS + 2):
        bus.publish_live([event(stats(cpu=float(second)), second), event(heartbeat(), second)], ttl=5)
    seconds = range(2, MAX_POINTS + 2)
    assert bus.read_metrics("h", "web") == [MetricPoint(NOW + each, each, stats().memory) for each in seconds]
    assert [point.cpu for point in bus.read_metrics("h", "web", 2)] == [MAX_POINTS, MAX_POINTS + 1]
    assert bus.read_metrics("other", "web") == [MetricPoint(NOW, 99.0, stats().memory)]
    bus.publish_live([event(stats(container=DB, cpu=None, memory=None, received=1200, sent=0))], ttl=5)
    assert bus.read_metrics("h", "db") == [MetricPoint(NOW, None, None, 1200, 0)]


def test_history_of_a_removed_container_expires(lab: Lab) -> None:
    """It is kept for longer than the last value, as evidence about a container that has died, and expires."""
    lab.bus.publish_live([event(stats())], ttl=0.02)
    lab.pass_time(0.03)
    assert lab.bus.read_last_values("container_stats") == []
    assert len(lab.bus.read_metrics("h", "web")) == 1
    assert 0 < lab.lasts("hemostat:history:h:web") <= POINTS_TTL_SECONDS


def test_state_is_stored_together_with_its_events(bus: Bus) -> None:
    assert bus.load_state("monitor:h") is None
    bus.publish([event(alert())], state=("monitor:h", b"first"))
    bus.publish([], state=("monitor:h", b"second"))
    assert (bus.load_state("monitor:h"), bus.load_state("monitor:other")) == (b"second", None)


def test_subscriber_receives_all_later_events(bus: Bus) -> None:
    """Durable events, outputs of an acknowledgement and live values. A period without events yields None."""
    bus.publish([event(alert(), 0)])
    (entry,) = read(bus)
    types = [STREAM, "remediation_needed", "container_stats"]
    with closing(_subscription(bus, types)) as heard:
        bus.publish([event(alert(), 1), event(complete(), 1)])
        bus.ack_all("analyzer", [(entry, [event(needed(), 2)])])
        bus.publish_live([event(stats(), 3)], ttl=5)
        got: list[Event] = []
        while len(got) < 3:
            got += [each for each in [next(heard)] if each is not None]
        assert got == [event(alert(), 1), event(needed(), 2), event(stats(), 3)]
        assert next(heard) is None


def _subscription(bus: Bus, types: list[str]) -> Iterator[Event | None]:
    heard = bus.subscribe(types, timeout=0.05)
    assert next(heard) is None, "silence, and the subscription is on"
    return heard


def test_many_threads_share_one_bus(bus: Bus) -> None:
    """Every event is handled once, by one of the threads."""
    bus.publish([event(alert(), at) for at in range(60)])
    handled: list[str] = []

    def work(name: str) -> None:
        while entries := bus.read("analyzer", name, [STREAM], count=3, timeout=0):
            for entry in entries:
                bus.ack_all("analyzer", [(entry, [event(needed(), entry.event.time)])])
                handled.append(entry.event.id)

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(handled) == len(set(handled)) == 60
    eventually(lambda: bus.count_lag("analyzer", [STREAM]) == 0)
    assert len(bus.read_recent("remediation_needed", 100)) == 60


def test_event_is_unchanged_by_the_bus(bus: Bus) -> None:
    sent = event(complete(), 1)
    bus.publish([sent])
    (entry,) = bus.read("alert", "a", ["remediation_complete"], count=1, timeout=0)
    assert (entry.event, entry.raw) == (sent, encode(sent))


def test_entries_after_an_id_are_read_without_a_group(lab: Lab) -> None:
    lab.bus.publish([event(alert(), at) for at in range(5)])
    lab.put(STREAM, b"not an event")
    first, second = lab.bus.read_after(STREAM, "0-0", 2)
    rest = lab.bus.read_after(STREAM, second.id, 10)
    assert [each.event for each in (first, second, *rest)] == [event(alert(), at) for at in range(5)] + [None]
    assert (first.stream, lab.bus.read_after(STREAM, rest[-1].id, 10)) == (STREAM, [])
    assert lab.bus.read_after("false_alarm", "0-0", 10) == []
    assert len(read(lab.bus)) == 6
