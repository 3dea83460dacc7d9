"""The contract of Ledger: Redis and the in-memory fake."""

import threading
from typing import NamedTuple

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.adapters.redis import Client, RedisBus, RedisControls, RedisLedger, connect
from hemostat.core.ledger.alert_notes import MAX_OCCURRENCES, IncidentNotes, RaisedAlert
from hemostat.core.ledger.controls import Approval, ApprovalAnswer, Controls, Pause
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop, RaisedLimit, Resource
from hemostat.events import Action, Outcome, Phase, Reason, seal
from hemostat.ports import Bus, ControlStore, Ledger
from tests.support.clock import FakeClock
from tests.support.samples import alert, event, needed, order

NOW = 1_795_480_000.0


class Lab(NamedTuple):
    ledger: Ledger
    desk: ControlStore
    bus: Bus


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def lab(request: pytest.FixtureRequest) -> Lab:
    if request.param == "memory":
        desk, bus = InMemoryControls(), InMemoryBus(FakeClock())
        return Lab(InMemoryLedger(desk, bus.incidents, bus.seals), desk, bus)
    client = request.getfixturevalue("redis_client")
    return Lab(RedisLedger(client), RedisControls(client), RedisBus(client))


@pytest.fixture
def ledger(lab: Lab) -> Ledger:
    return lab.ledger


def read(ledger: Ledger, container: str, host: str = "h") -> LedgerSnapshot:
    return ledger.read(host, container, "i1", "i1:1:0")


def attempt(key: str = "i1:1:0", container: str = "web", time: float = NOW) -> Attempt:
    return Attempt(
        key=key, container=container, action=Action.RESTART, time=time, by="responder@h-1", lease=time + 60
    )


def test_stop_by_a_person_is_in_the_ledger_snapshot(ledger: Ledger) -> None:
    stop = ManualStop(NOW, NOW + 90)
    ledger.note_stop("h", "web", stop)
    assert read(ledger, "web").manual_stop == stop
    assert (read(ledger, "db").manual_stop, read(ledger, "web", "other").manual_stop) == (None, None)


def test_running_and_finished_attempts_are_read(ledger: Ledger) -> None:
    first, second = attempt(), attempt("i2:1:0", time=NOW + 1)
    ledger.reserve("h", first, 0)
    ledger.finish("h", msgspec.structs.replace(first, outcome=Outcome.FAILED, finished=NOW + 1))
    ledger.reserve("h", second, read(ledger, "web").version)
    ledger.finish("h", attempt("i3:1:0", "db"))
    assert [each.outcome for each in ledger.list_attempts("h", "web")] == [Outcome.FAILED, None]


def test_intent_is_written_on_an_unchanged_snapshot(ledger: Ledger) -> None:
    book = read(ledger, "web")
    assert ledger.reserve("h", attempt(), book.version)
    after = read(ledger, "web")
    assert (after.attempts, after.running_attempts) == ((attempt(),), (attempt(),))


@pytest.mark.parametrize("container", ["web", "db"])
def test_outdated_snapshot_writes_nothing(ledger: Ledger, container: str) -> None:
    """Another container's attempt makes it outdated too: there is a limit for the whole host."""
    book = read(ledger, "web")
    assert ledger.reserve("h", attempt(container=container), book.version)
    assert not ledger.reserve("h", attempt("i2:1:0"), book.version)
    assert [each.key for each in read(ledger, "web").attempts if each.key == "i2:1:0"] == []


def test_intent_is_renewed_on_an_unchanged_snapshot(ledger: Ledger) -> None:
    """It stays one attempt, and of two responders that take it over, one succeeds."""
    assert ledger.reserve("h", attempt(), ledger.read("h", "web").version)
    version = ledger.read("h", "web").version
    taken, late = (
        msgspec.structs.replace(attempt(), by=f"responder@h-{name}", lease=NOW + 500) for name in "23"
    )
    assert (ledger.reserve("h", taken, version), ledger.reserve("h", late, version)) == (True, False)
    book = ledger.read("h", "web")
    assert (book.attempts, book.running_attempts) == ((taken,), (taken,))


def test_outcome_makes_earlier_snapshots_outdated(ledger: Ledger) -> None:
    assert ledger.reserve("h", attempt(), read(ledger, "web").version)
    book = read(ledger, "web")
    ledger.finish("h", msgspec.structs.replace(attempt(), outcome=Outcome.HEALED))
    assert not ledger.reserve("h", attempt("i2:1:0"), book.version)


def test_one_of_many_concurrent_reservations_succeeds(ledger: Ledger) -> None:
    version = read(ledger, "web").version
    won: list[bool] = []
    ready = threading.Barrier(10)

    def reserve(number: int) -> None:
        ready.wait()
        won.append(ledger.reserve("h", attempt(f"i{number}:1:0"), version))

    threads = [threading.Thread(target=reserve, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 9 + [True]
    assert len(read(ledger, "web").attempts) == 1


def test_finished_attempt_is_kept_and_not_running(ledger: Ledger) -> None:
    assert ledger.reserve("h", attempt(), read(ledger, "web").version)
    done = msgspec.structs.replace(
        attempt(), outcome=Outcome.HEALED, reason=Reason.VERIFIED, finished=NOW + 3
    )
    ledger.finish("h", done)
    book = read(ledger, "web")
    assert (book.attempts, book.running_attempts) == ((done,), ())


def test_snapshot_has_own_attempts_and_all_running_ones(ledger: Ledger) -> None:
    for number, name in enumerate(("web", "db")):
        version = read(ledger, name).version
        assert ledger.reserve("h", attempt(f"i{number}:1:0", name, NOW + number), version)
    book = read(ledger, "db")
    assert [each.container for each in book.attempts] == ["db"]
    assert [each.container for each in book.running_attempts] == ["web", "db"]
    other = read(ledger, "web", "another host")
    assert (other.attempts, other.running_attempts) == ((), ())


def test_attempts_are_ordered_oldest_first(ledger: Ledger) -> None:
    for time in (NOW + 5, NOW + 1, NOW + 3):
        assert ledger.reserve("h", attempt(f"{time}:1:0", time=time), read(ledger, "web").version)
    times = [each.time for each in read(ledger, "web").attempts]
    assert times == [NOW + 1, NOW + 3, NOW + 5]


def test_pauses_and_resets_are_in_the_ledger_snapshot(lab: Lab) -> None:
    """Those of all containers, and those of this request alone."""
    assert (read(lab.ledger, "web").controls, read(lab.ledger, "web").approval) == (Controls(), None)
    pause = Pause(by="ann", at=NOW)
    lab.desk.pause("db", pause)
    lab.desk.reset_breaker("web", NOW)
    asked = [
        Approval(
            id=key,
            key=key,
            incident="i1",
            host="h",
            container="web",
            action=Action.RESTART,
            asked=NOW,
            until=NOW + 60,
        )
        for key in ("i1:1:0", "i1:1:1")
    ]
    for each in asked:
        lab.desk.request_approval(each)
    told = lab.desk.answer_approval("i1:1:0", ApprovalAnswer.REJECTED, by="ann", reason="", now=NOW)
    book = read(lab.ledger, "web")
    assert book.controls == Controls(pauses={"db": pause}, resets={"web": NOW})
    assert book.approval == told


def test_incident_is_known_after_the_monitors_alert(lab: Lab) -> None:
    """It is known on its own host. Neither an ended incident nor a request makes one known."""
    lab.bus.publish([event(alert(phase=Phase.CLEARED)), event(needed())])
    assert read(lab.ledger, "web").alerted_container == ""
    lab.bus.publish([event(alert())])
    assert [read(lab.ledger, "db", host).alerted_container for host in ("h", "other")] == ["web", ""]


def test_notes_are_read_up_to_the_request(lab: Lab) -> None:
    for each in (alert(), alert(phase=Phase.CLEARED), alert(occurrence=2, since=NOW + 5)):
        lab.bus.publish([event(each)])
    told = {key: lab.ledger.read("h", "web", "i1", key).notes for key in ("i1:1:0", "i1:2:3", "i1:3:0")}
    raised = RaisedAlert("c1", "exited", NOW, 1)
    later = RaisedAlert("c1", "exited", NOW + 5, 2)
    assert told["i1:1:0"] == IncidentNotes(alert=raised, latest=2, over=1)
    assert told["i1:2:3"] == IncidentNotes(alert=later, latest=2, over=1)
    assert told["i1:3:0"] == IncidentNotes(latest=2, over=1)


@pytest.mark.redis
def test_notes_of_an_ended_incident_expire_within_an_hour(redis_client: Client) -> None:
    bus = RedisBus(redis_client)
    for number in range(1, 30):
        bus.publish([event(alert(occurrence=number, since=NOW + number))])
    expiries = {key: redis_client.raw.pttl(key) for key in redis_client.raw.keys("hemostat:incident:*")}
    assert len(expiries) == MAX_OCCURRENCES + 2
    assert min(expiries.values()) > 47 * 3600_000
    bus.publish([event(alert(occurrence=29, since=NOW + 29, phase=Phase.CLEARED))])
    expiries = {key: redis_client.raw.pttl(key) for key in redis_client.raw.keys("hemostat:incident:*")}
    assert len(expiries) == MAX_OCCURRENCES + 3
    assert max(expiries.values()) <= 3600_000
    assert read(RedisLedger(redis_client), "web").notes == IncidentNotes(latest=29, over=29)


@pytest.mark.redis
def test_end_of_an_unknown_incident_makes_none_known(redis_client: Client) -> None:
    RedisBus(redis_client).publish([event(alert(phase=Phase.CLEARED))])
    assert redis_client.raw.keys("hemostat:incident:*") == [b"hemostat:incident:h:i1:over"]


@pytest.mark.redis
def test_unreadable_note_is_ignored(redis_client: Client) -> None:
    for key in ("i1:1", "i1:latest", "i1:over", "i1"):
        redis_client.raw.set(f"hemostat:incident:h:{key}", b'\xff["2"]')
    assert read(RedisLedger(redis_client), "web").notes == IncidentNotes()


def test_order_is_valid_once_it_has_a_seal(lab: Lab) -> None:
    """It is valid on its own host and under its own incident, and makes no incident known."""
    assert read(lab.ledger, "web").seal == ""
    lab.bus.publish([event(order())])
    book = read(lab.ledger, "web")
    assert (book.seal, book.alerted_container) == (seal(order(), NOW), "")
    assert read(lab.ledger, "web", "other").seal == ""


@pytest.mark.redis
def test_incident_is_known_as_long_as_its_attempts(redis_client: Client) -> None:
    RedisBus(redis_client).publish([event(alert())])
    assert 0 <= 48 * 3600 - redis_client.raw.ttl("hemostat:incident:h:i1") < 60


def test_overview_covers_all_containers_of_the_host(lab: Lab) -> None:
    """It covers any number of containers, oldest attempts first, with the answers of operators."""
    for number in range(60):
        one = attempt(f"i{number}:1:0", f"c{number % 30}", NOW + number)
        assert lab.ledger.reserve("h", one, read(lab.ledger, "web").version)
        lab.ledger.finish("h", msgspec.structs.replace(one, outcome=Outcome.FAILED, finished=NOW + number))
    acting = attempt("i99:1:0", "web", NOW + 99)
    assert lab.ledger.reserve("h", acting, read(lab.ledger, "web").version)
    pause = Pause(by="ann", at=NOW)
    lab.desk.pause("db", pause)
    seen, book = lab.ledger.read_host("h"), read(lab.ledger, "web")
    assert [each.time - NOW for each in seen.attempts] == [*range(60), 99]
    assert (seen.running_attempts, seen.ended_attempts, seen.version) == (
        book.running_attempts,
        book.ended_attempts,
        book.version,
    )
    assert seen.controls == Controls(pauses={"db": pause})
    assert lab.ledger.read_host("other").attempts == ()


@pytest.mark.redis
def test_old_attempts_are_dropped(redis_client: object) -> None:
    ledger = RedisLedger(redis_client)
    for key, time in (("old", NOW - 49 * 3600), ("new", NOW)):
        assert ledger.reserve("h", attempt(key, time=time), read(ledger, "web").version)
    assert [each.key for each in read(ledger, "web").attempts] == ["new"]


@pytest.mark.redis
def test_attempts_expire_after_the_longest_time_of_a_rule(redis_client: Client) -> None:
    ledger = RedisLedger(redis_client)
    ledger.finish("h", attempt("i2:1:0", "db"))
    assert ledger.reserve("h", attempt(), read(ledger, "web").version)
    for name in ("web", "db"):
        assert 0 < redis_client.raw.ttl(f"hemostat:ledger:h:of:{name}") - 48 * 3600 <= 3600


@pytest.mark.redis
def test_expired_attempts_are_not_taken_for_lost_data(redis_client: Client) -> None:
    now = [NOW]
    ledger = RedisLedger(redis_client, lambda: now[0])
    assert ledger.check("h") == ""
    ledger.finish("h", attempt())
    redis_client.raw.delete("hemostat:ledger:h:of:web")
    now[0] += 49 * 3600
    assert read(ledger, "web").attempts == ()
    assert ledger.check("h") == ""


@pytest.mark.redis
def test_restored_attempts_expire(redis_client: Client) -> None:
    ledger = RedisLedger(redis_client, lambda: NOW)
    ledger.finish("h", attempt())
    redis_client.raw.flushall()
    assert read(ledger, "web").attempts == (attempt(),)
    assert redis_client.raw.ttl("hemostat:ledger:h:of:web") > 48 * 3600


@pytest.mark.redis
def test_attempts_are_written_without_the_right_to_expire(redis_client: Client) -> None:
    """With an ACL file of an earlier version."""
    rules = ["on", ">secret", "allkeys", "+@all", "-expire"]
    redis_client.raw.execute_command("ACL", "SETUSER", "earlier", *rules)
    client = connect(redis_client.url, username="earlier", password="secret")  # noqa: S106
    try:
        ledger = RedisLedger(client)
        assert ledger.reserve("h", attempt(), read(ledger, "web").version)
        ledger.finish("h", attempt())
        assert read(ledger, "web").attempts == (attempt(),)
        assert redis_client.raw.ttl("hemostat:ledger:h:of:web") == -1
    finally:
        client.close()
        redis_client.raw.execute_command("ACL", "DELUSER", "earlier")


RAISED = RaisedLimit(container="c1", resource=Resource.MEMORY, before=64.0, after=96.0, time=NOW)


def test_raised_limit_is_stored_until_it_is_restored(ledger: Ledger) -> None:
    ledger.save_raised_limit("h", RAISED)
    assert (ledger.list_raised_limits("h"), ledger.list_raised_limits("other")) == ([RAISED], [])
    assert ledger.remove_raised_limit("h", RAISED)
    assert not ledger.remove_raised_limit("h", RAISED)
    assert ledger.list_raised_limits("h") == []


def test_raised_limits_of_two_containers_are_remembered_separately(ledger: Ledger) -> None:
    other = msgspec.structs.replace(RAISED, container="c2")
    ledger.save_raised_limit("h", RAISED)
    ledger.save_raised_limit("h", other)
    assert ledger.remove_raised_limit("h", RAISED)
    assert ledger.list_raised_limits("h") == [other]


def test_raised_limit_in_whole_bytes_is_dropped(ledger: Ledger) -> None:
    """The engine reports a memory limit as an integer."""
    ledger.save_raised_limit("h", msgspec.structs.replace(RAISED, before=64 << 20, after=96 << 20))
    assert ledger.remove_raised_limit("h", *ledger.list_raised_limits("h"))
    assert ledger.list_raised_limits("h") == []


def test_limit_raised_twice_keeps_its_first_value(ledger: Ledger) -> None:
    ledger.save_raised_limit("h", RAISED)
    ledger.save_raised_limit("h", msgspec.structs.replace(RAISED, before=96.0, after=144.0))
    assert [(each.before, each.after) for each in ledger.list_raised_limits("h")] == [(64.0, 144.0)]
    assert not ledger.remove_raised_limit("h", RAISED), "it is not that raise any more"
    assert ledger.remove_raised_limit("h", *ledger.list_raised_limits("h"))
