"""What every ledger must do: Redis, and the fake that stands for it."""

import threading

import msgspec
import pytest

from hemostat.adapters.memory_bus import MemoryLedger
from hemostat.adapters.redis import RedisLedger
from hemostat.core.model import Attempt, Resource, Scaled
from hemostat.events import Action, Outcome, Reason
from hemostat.ports import Ledger

NOW = 1_795_480_000.0


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    return RedisLedger(request.getfixturevalue("redis_client"))


def attempt(key: str = "i1:1:0", container: str = "web", time: float = NOW) -> Attempt:
    return Attempt(
        key=key, container=container, action=Action.RESTART, time=time, by="responder@h-1", lease=time + 60
    )


def test_an_intent_is_written_if_nobody_wrote_since_the_reading(ledger: Ledger) -> None:
    book = ledger.read("h", "web")
    assert ledger.reserve("h", attempt(), book.version)
    after = ledger.read("h", "web")
    assert (after.attempts, after.running) == ((attempt(),), (attempt(),))


@pytest.mark.parametrize("container", ["web", "db"])
def test_nothing_is_written_on_an_outdated_reading(ledger: Ledger, container: str) -> None:
    """Another container's attempt makes it outdated too: there is a limit for the whole host."""
    book = ledger.read("h", "web")
    assert ledger.reserve("h", attempt(container=container), book.version)
    assert not ledger.reserve("h", attempt("i2:1:0"), book.version)
    assert [each.key for each in ledger.read("h", "web").attempts if each.key == "i2:1:0"] == []


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
    assert ledger.reserve("h", attempt(), ledger.read("h", "web").version)
    book = ledger.read("h", "web")
    ledger.finish("h", msgspec.structs.replace(attempt(), outcome=Outcome.HEALED))
    assert not ledger.reserve("h", attempt("i2:1:0"), book.version)


def test_of_many_that_reserve_at_once_exactly_one_does(ledger: Ledger) -> None:
    version = ledger.read("h", "web").version
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
    assert len(ledger.read("h", "web").attempts) == 1


def test_a_finished_attempt_is_kept_and_runs_no_more(ledger: Ledger) -> None:
    assert ledger.reserve("h", attempt(), ledger.read("h", "web").version)
    done = msgspec.structs.replace(
        attempt(), outcome=Outcome.HEALED, reason=Reason.VERIFIED, finished=NOW + 3
    )
    ledger.finish("h", done)
    book = ledger.read("h", "web")
    assert (book.attempts, book.running) == ((done,), ())


def test_a_container_has_its_own_attempts_and_the_host_all_that_run(ledger: Ledger) -> None:
    for number, name in enumerate(("web", "db")):
        version = ledger.read("h", name).version
        assert ledger.reserve("h", attempt(f"i{number}:1:0", name, NOW + number), version)
    book = ledger.read("h", "db")
    assert [each.container for each in book.attempts] == ["db"]
    assert [each.container for each in book.running] == ["web", "db"]
    other = ledger.read("another host", "web")
    assert (other.attempts, other.running) == ((), ())


def test_attempts_are_told_oldest_first(ledger: Ledger) -> None:
    for time in (NOW + 5, NOW + 1, NOW + 3):
        assert ledger.reserve("h", attempt(f"{time}:1:0", time=time), ledger.read("h", "web").version)
    times = [each.time for each in ledger.read("h", "web").attempts]
    assert times == [NOW + 1, NOW + 3, NOW + 5]


@pytest.mark.redis
def test_attempts_of_long_ago_are_dropped(redis_client: object) -> None:
    ledger = RedisLedger(redis_client)
    for key, time in (("old", NOW - 49 * 3600), ("new", NOW)):
        assert ledger.reserve("h", attempt(key, time=time), ledger.read("h", "web").version)
    assert [each.key for each in ledger.read("h", "web").attempts] == ["new"]


RAISED = Scaled(container="c1", resource=Resource.MEMORY, before=64.0, after=96.0, time=NOW)


def test_what_is_raised_is_remembered_until_somebody_takes_it_back(ledger: Ledger) -> None:
    ledger.keep_scaled("h", RAISED)
    assert (ledger.scaled("h"), ledger.scaled("other")) == ([RAISED], [])
    assert ledger.drop_scaled("h", RAISED)
    assert not ledger.drop_scaled("h", RAISED)
    assert ledger.scaled("h") == []


def test_what_is_raised_twice_goes_back_to_where_it_was_first(ledger: Ledger) -> None:
    ledger.keep_scaled("h", RAISED)
    ledger.keep_scaled("h", msgspec.structs.replace(RAISED, before=96.0, after=144.0))
    assert [(each.before, each.after) for each in ledger.scaled("h")] == [(64.0, 144.0)]
    assert not ledger.drop_scaled("h", RAISED), "it is not that raise any more"
    assert ledger.drop_scaled("h", *ledger.scaled("h"))
