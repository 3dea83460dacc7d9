"""What every ledger must do: Redis, and the fake that stands for it."""

import threading
from typing import NamedTuple

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.adapters.redis import Client, RedisBus, RedisControls, RedisLedger
from hemostat.core.ledger.alert_notes import IncidentNotes, RaisedAlert
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


def test_stop_by_a_person_is_read_with_the_book_of_its_container(ledger: Ledger) -> None:
    stop = ManualStop(NOW, NOW + 90)
    ledger.note_stop("h", "web", stop)
    assert read(ledger, "web").stopping == stop
    assert (read(ledger, "db").stopping, read(ledger, "web", "other").stopping) == (None, None)


def test_attempts_of_a_container_are_read_whether_they_have_ended_or_not(ledger: Ledger) -> None:
    first, second = attempt(), attempt("i2:1:0", time=NOW + 1)
    ledger.reserve("h", first, 0)
    ledger.finish("h", msgspec.structs.replace(first, outcome=Outcome.FAILED, finished=NOW + 1))
    ledger.reserve("h", second, read(ledger, "web").version)
    ledger.finish("h", attempt("i3:1:0", "db"))
    assert [each.outcome for each in ledger.attempts("h", "web")] == [Outcome.FAILED, None]


def test_an_intent_is_written_if_nobody_wrote_since_the_reading(ledger: Ledger) -> None:
    book = read(ledger, "web")
    assert ledger.reserve("h", attempt(), book.version)
    after = read(ledger, "web")
    assert (after.attempts, after.running) == ((attempt(),), (attempt(),))


@pytest.mark.parametrize("container", ["web", "db"])
def test_nothing_is_written_on_an_outdated_reading(ledger: Ledger, container: str) -> None:
    """Another container's attempt makes it outdated too: there is a limit for the whole host."""
    book = read(ledger, "web")
    assert ledger.reserve("h", attempt(container=container), book.version)
    assert not ledger.reserve("h", attempt("i2:1:0"), book.version)
    assert [each.key for each in read(ledger, "web").attempts if each.key == "i2:1:0"] == []


def test_an_intent_is_renewed_if_nobody_wrote_since_the_reading(ledger: Ledger) -> None:
    """It stays one; of two that take it over, one does."""
    assert ledger.reserve("h", attempt(), ledger.read("h", "web").version)
    version = ledger.read("h", "web").version
    taken, late = (
        msgspec.structs.replace(attempt(), by=f"responder@h-{name}", lease=NOW + 500) for name in "23"
    )
    assert (ledger.reserve("h", taken, version), ledger.reserve("h", late, version)) == (True, False)
    book = ledger.read("h", "web")
    assert (book.attempts, book.running) == ((taken,), (taken,))


def test_an_outcome_makes_earlier_readings_outdated(ledger: Ledger) -> None:
    assert ledger.reserve("h", attempt(), read(ledger, "web").version)
    book = read(ledger, "web")
    ledger.finish("h", msgspec.structs.replace(attempt(), outcome=Outcome.HEALED))
    assert not ledger.reserve("h", attempt("i2:1:0"), book.version)


def test_of_many_that_reserve_at_once_exactly_one_does(ledger: Ledger) -> None:
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


def test_a_finished_attempt_is_kept_and_runs_no_more(ledger: Ledger) -> None:
    assert ledger.reserve("h", attempt(), read(ledger, "web").version)
    done = msgspec.structs.replace(
        attempt(), outcome=Outcome.HEALED, reason=Reason.VERIFIED, finished=NOW + 3
    )
    ledger.finish("h", done)
    book = read(ledger, "web")
    assert (book.attempts, book.running) == ((done,), ())


def test_a_container_has_its_own_attempts_and_the_host_all_that_run(ledger: Ledger) -> None:
    for number, name in enumerate(("web", "db")):
        version = read(ledger, name).version
        assert ledger.reserve("h", attempt(f"i{number}:1:0", name, NOW + number), version)
    book = read(ledger, "db")
    assert [each.container for each in book.attempts] == ["db"]
    assert [each.container for each in book.running] == ["web", "db"]
    other = read(ledger, "web", "another host")
    assert (other.attempts, other.running) == ((), ())


def test_attempts_are_told_oldest_first(ledger: Ledger) -> None:
    for time in (NOW + 5, NOW + 1, NOW + 3):
        assert ledger.reserve("h", attempt(f"{time}:1:0", time=time), read(ledger, "web").version)
    times = [each.time for each in read(ledger, "web").attempts]
    assert times == [NOW + 1, NOW + 3, NOW + 5]


def test_what_people_have_said_is_read_with_the_book(lab: Lab) -> None:
    """On everything, and on this very request alone."""
    assert (read(lab.ledger, "web").controls, read(lab.ledger, "web").approval) == (Controls(), None)
    pause = Pause(by="ann", at=NOW)
    lab.desk.pause("db", pause)
    lab.desk.reset("web", NOW)
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
        lab.desk.ask(each)
    told = lab.desk.answer("i1:1:0", ApprovalAnswer.REJECTED, by="ann", reason="", now=NOW)
    book = read(lab.ledger, "web")
    assert book.controls == Controls(pauses={"db": pause}, resets={"web": NOW})
    assert book.approval == told


def test_an_incident_is_known_once_a_monitor_has_told_of_it(lab: Lab) -> None:
    """To its own host; neither what ended nor a request makes one known."""
    lab.bus.publish([event(alert(phase=Phase.CLEARED)), event(needed())])
    assert read(lab.ledger, "web").patient == ""
    lab.bus.publish([event(alert())])
    assert [read(lab.ledger, "db", host).patient for host in ("h", "other")] == ["web", ""]


def test_notes_of_an_incident_are_read_as_far_as_the_request_goes(lab: Lab) -> None:
    for each in (alert(), alert(phase=Phase.CLEARED), alert(occurrence=2, since=NOW + 5)):
        lab.bus.publish([event(each)])
    told = {key: lab.ledger.read("h", "web", "i1", key).notes for key in ("i1:1:0", "i1:2:3", "i1:3:0")}
    raised = RaisedAlert("c1", "exited", NOW)
    later = RaisedAlert("c1", "exited", NOW + 5)
    assert told["i1:1:0"] == IncidentNotes(alert=raised, latest=2, over=1)
    assert told["i1:2:3"] == IncidentNotes(alert=later, latest=2, over=1)
    assert told["i1:3:0"] == IncidentNotes(latest=2, over=1)


@pytest.mark.redis
def test_a_note_that_cannot_be_read_is_none(redis_client: Client) -> None:
    for key in ("i1:1", "i1:latest", "i1:over", "i1"):
        redis_client.raw.set(f"hemostat:incident:h:{key}", b'\xff["2"]')
    assert read(RedisLedger(redis_client), "web").notes == IncidentNotes()


def test_an_order_is_a_persons_once_it_was_given(lab: Lab) -> None:
    """To its own host, under its own incident, and it makes no incident known."""
    assert read(lab.ledger, "web").seal == ""
    lab.bus.publish([event(order())])
    book = read(lab.ledger, "web")
    assert (book.seal, book.patient) == (seal(order(), NOW), "")
    assert read(lab.ledger, "web", "other").seal == ""


@pytest.mark.redis
def test_an_incident_is_known_for_as_long_as_an_attempt_is_kept(redis_client: Client) -> None:
    RedisBus(redis_client).publish([event(alert())])
    assert 0 <= 48 * 3600 - redis_client.raw.ttl("hemostat:incident:h:i1") < 60


def test_a_survey_tells_of_all_containers_of_the_host_alone(lab: Lab) -> None:
    """However many were acted on, oldest first, with what people have said."""
    for number in range(60):
        one = attempt(f"i{number}:1:0", f"c{number % 30}", NOW + number)
        assert lab.ledger.reserve("h", one, read(lab.ledger, "web").version)
        lab.ledger.finish("h", msgspec.structs.replace(one, outcome=Outcome.FAILED, finished=NOW + number))
    acting = attempt("i99:1:0", "web", NOW + 99)
    assert lab.ledger.reserve("h", acting, read(lab.ledger, "web").version)
    pause = Pause(by="ann", at=NOW)
    lab.desk.pause("db", pause)
    seen, book = lab.ledger.survey("h"), read(lab.ledger, "web")
    assert [each.time - NOW for each in seen.attempts] == [*range(60), 99]
    assert (seen.running, seen.ended, seen.version) == (book.running, book.ended, book.version)
    assert seen.controls == Controls(pauses={"db": pause})
    assert lab.ledger.survey("other").attempts == ()


@pytest.mark.redis
def test_attempts_of_long_ago_are_dropped(redis_client: object) -> None:
    ledger = RedisLedger(redis_client)
    for key, time in (("old", NOW - 49 * 3600), ("new", NOW)):
        assert ledger.reserve("h", attempt(key, time=time), read(ledger, "web").version)
    assert [each.key for each in read(ledger, "web").attempts] == ["new"]


RAISED = RaisedLimit(container="c1", resource=Resource.MEMORY, before=64.0, after=96.0, time=NOW)


def test_what_is_raised_is_remembered_until_somebody_takes_it_back(ledger: Ledger) -> None:
    ledger.keep_scaled("h", RAISED)
    assert (ledger.scaled("h"), ledger.scaled("other")) == ([RAISED], [])
    assert ledger.drop_scaled("h", RAISED)
    assert not ledger.drop_scaled("h", RAISED)
    assert ledger.scaled("h") == []


def test_raised_limits_of_two_containers_are_remembered_separately(ledger: Ledger) -> None:
    other = msgspec.structs.replace(RAISED, container="c2")
    ledger.keep_scaled("h", RAISED)
    ledger.keep_scaled("h", other)
    assert ledger.drop_scaled("h", RAISED)
    assert ledger.scaled("h") == [other]


def test_a_raised_limit_in_whole_bytes_is_dropped(ledger: Ledger) -> None:
    """As it is raised: the engine tells of a memory limit as an integer."""
    ledger.keep_scaled("h", msgspec.structs.replace(RAISED, before=64 << 20, after=96 << 20))
    assert ledger.drop_scaled("h", *ledger.scaled("h"))
    assert ledger.scaled("h") == []


def test_what_is_raised_twice_goes_back_to_where_it_was_first(ledger: Ledger) -> None:
    ledger.keep_scaled("h", RAISED)
    ledger.keep_scaled("h", msgspec.structs.replace(RAISED, before=96.0, after=144.0))
    assert [(each.before, each.after) for each in ledger.scaled("h")] == [(64.0, 144.0)]
    assert not ledger.drop_scaled("h", RAISED), "it is not that raise any more"
    assert ledger.drop_scaled("h", *ledger.scaled("h"))
