"""The contracts of PrecedentStore and LlmBudget: Redis and the in-memory fakes."""

import msgspec
import pytest

from hemostat.adapters.in_memory.precedents import InMemoryLlmBudget, InMemoryPrecedents
from hemostat.adapters.redis import RedisLlmBudget, RedisPrecedents
from hemostat.core.diagnosis.case import Precedent
from hemostat.core.llm.cost_budget import HOUR_SECONDS, LlmUsage
from hemostat.events import Action, Outcome
from hemostat.ports import LlmBudget, PrecedentStore
from tests.support.clock import FakeClock
from tests.support.engine_fixtures import eventually

FIRST = Precedent(
    time=1.0, host="h", container="web", action=Action.RESTART, outcome=Outcome.HEALED, cause="hung"
)
SPENT = LlmUsage(id="1", time=HOUR_SECONDS, cost=0.5)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def kind(request) -> str:
    return request.param


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def casebook(kind, request, clock) -> PrecedentStore:
    if kind == "memory":
        return InMemoryPrecedents(clock)
    return RedisPrecedents(request.getfixturevalue("redis_client"))


@pytest.fixture
def purse(kind, request) -> LlmBudget:
    return (
        InMemoryLlmBudget() if kind == "memory" else RedisLlmBudget(request.getfixturevalue("redis_client"))
    )


def test_precedents_are_oldest_first_without_duplicates(casebook):
    second = msgspec.structs.replace(FIRST, time=2.0, outcome=Outcome.FAILED)
    casebook.add_precedent("s", "i2:1:0", second)
    for _ in range(2):
        casebook.add_precedent("s", "i1:1:0", FIRST)
    assert casebook.list_precedents("s") == [FIRST, second]
    assert casebook.list_precedents("other") == []


def test_newest_twenty_precedents_of_a_signature_are_kept(casebook):
    for number in range(25):
        casebook.add_precedent("s", str(number), msgspec.structs.replace(FIRST, time=float(number)))
    assert [past.time for past in casebook.list_precedents("s")] == [float(number) for number in range(5, 25)]


@pytest.mark.redis
def test_unreadable_precedent_is_skipped(redis_client):
    casebook = RedisPrecedents(redis_client)
    redis_client.raw.hset("hemostat:past:s", "i0:1:0", b'{"time": 1.0, "action": "teleport"}')
    casebook.add_precedent("s", "i1:1:0", FIRST)
    assert casebook.list_precedents("s") == [FIRST]


def test_advice_is_reused_until_it_expires(casebook, kind, clock):
    casebook.cache_advice("l", b"restart", 0.05 if kind == "redis" else 60.0)
    casebook.cache_advice("m", b"wait", 60.0)
    assert casebook.get_cached_advice("m") == b"wait"
    clock.advance(60.0)
    eventually(lambda: casebook.get_cached_advice("l") is None)
    assert casebook.get_cached_advice("n") is None


def test_one_of_two_concurrent_reservations_succeeds(purse):
    version, spent = purse.read()
    assert spent == []
    assert purse.take(SPENT, version)
    assert not purse.take(msgspec.structs.replace(SPENT, id="2"), version)
    assert purse.read() == (version + 1, [SPENT])


def test_reserved_cost_is_replaced_by_the_actual_cost(purse):
    assert purse.take(SPENT, purse.read()[0])
    real = msgspec.structs.replace(SPENT, cost=0.1)
    purse.settle(real)
    assert purse.read()[1] == [real]
