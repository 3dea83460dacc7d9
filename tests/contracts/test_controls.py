"""The contract of ControlStore: Redis and the in-memory fake."""

import threading

import msgspec
import pytest

from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.redis import Client, RedisControls
from hemostat.adapters.redis.controls import APPROVALS_KEY
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer, Pause
from hemostat.events import Action
from hemostat.ports import ControlStore

NOW = 1_795_480_000.0
PAUSE = Pause(by="ann", at=NOW, until=NOW + 60, reason="deploy")
ASKED = Approval(
    id="a1",
    key="i1:1:0",
    incident="i1",
    host="h",
    container="web",
    action=Action.RESTART,
    cause="crash",
    asked=NOW,
    until=NOW + 60,
)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def desk(request: pytest.FixtureRequest) -> ControlStore:
    if request.param == "memory":
        return InMemoryControls()
    return RedisControls(request.getfixturevalue("redis_client"))


def answer(
    desk: ControlStore,
    given: ApprovalAnswer = ApprovalAnswer.APPROVED,
    *,
    by: str = "ann",
    at: float = NOW + 1,
    name: str = "a1",
):
    return desk.answer_approval(name, given, by=by, reason="", now=at)


def test_pause_applies_until_it_expires_or_is_resumed(desk: ControlStore) -> None:
    desk.pause(ALL_CONTAINERS, PAUSE)
    desk.pause("db", msgspec.structs.replace(PAUSE, until=None))
    controls = desk.read_controls()
    assert controls.find_pause("web", NOW + 59) == PAUSE
    assert controls.find_pause("web", NOW + 60) is None
    assert controls.find_pause("db", NOW + 9999) is not None
    assert desk.resume("db")
    assert not desk.resume("db")
    assert desk.read_controls().find_pause("db", NOW + 9999) is None


def test_circuit_breaker_is_reset_for_one_or_all(desk: ControlStore) -> None:
    desk.reset_breaker("web", NOW)
    assert (desk.read_controls().get_reset_time("web"), desk.read_controls().get_reset_time("db")) == (
        NOW,
        0.0,
    )
    desk.reset_breaker(ALL_CONTAINERS, NOW + 5)
    assert (desk.read_controls().get_reset_time("web"), desk.read_controls().get_reset_time("db")) == (
        NOW + 5,
        NOW + 5,
    )


def test_approval_is_created_once(desk: ControlStore) -> None:
    assert desk.request_approval(ASKED) == ASKED
    again = msgspec.structs.replace(ASKED, id="a2", asked=NOW + 5)
    assert desk.request_approval(again) == ASKED
    assert desk.list_approvals() == [ASKED]


def test_answer_is_stored_with_its_author(desk: ControlStore) -> None:
    desk.request_approval(ASKED)
    told = desk.answer_approval("a1", ApprovalAnswer.REJECTED, by="ann", reason="not now", now=NOW + 1)
    assert told is not None
    assert (told.answer, told.by, told.reason, told.answered) == (
        ApprovalAnswer.REJECTED,
        "ann",
        "not now",
        NOW + 1,
    )
    assert desk.list_approvals() == [told]


def test_the_first_answer_stands(desk: ControlStore) -> None:
    desk.request_approval(ASKED)
    first = answer(desk)
    assert answer(desk, ApprovalAnswer.REJECTED, by="bob", at=NOW + 2) == first


def test_expired_approval_cannot_be_answered(desk: ControlStore) -> None:
    desk.request_approval(ASKED)
    assert answer(desk, at=NOW + 60) == ASKED


def test_unknown_approval_cannot_be_answered(desk: ControlStore) -> None:
    assert answer(desk, name="nothing") is None


def test_one_of_many_concurrent_answers_is_stored(desk: ControlStore) -> None:
    desk.request_approval(ASKED)
    told: list[Approval | None] = []
    ready = threading.Barrier(8)

    def say(number: int) -> None:
        ready.wait()
        told.append(answer(desk, by=f"p{number}"))

    threads = [threading.Thread(target=say, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.by for each in told if each}) == 1


@pytest.mark.redis
def test_redis_reads_all_requests_rarely(redis_client: Client) -> None:
    """Redis answers no other client meanwhile, and any label can request an approval."""
    desk = RedisControls(redis_client)
    for number in range(3):
        redis_client.raw.execute_command("CONFIG", "RESETSTAT")
        desk.request_approval(
            msgspec.structs.replace(ASKED, id=str(number), key=f"i{number}:1:0", asked=NOW + number)
        )
        calls = redis_client.raw.info("commandstats")
        assert ("cmdstat_hgetall" in calls) is (number == 0)


@pytest.mark.redis
def test_expired_requests_are_removed_early_where_there_are_many(redis_client: Client) -> None:
    """A label requests an approval, so a user may cause any number of requests."""
    desk = RedisControls(redis_client)
    for number in range(1100):
        late = msgspec.structs.replace(ASKED, id=str(number), key=f"i{number}:1:0", until=NOW + number)
        redis_client.raw.hset(APPROVALS_KEY, late.key, msgspec.json.encode(late))
    desk.request_approval(
        msgspec.structs.replace(ASKED, id="b1", key="i9999:1:0", asked=NOW + 4000, until=NOW + 5000)
    )
    assert min(each.until for each in desk.list_approvals()) == NOW + 400
    assert "b1" in {each.id for each in desk.list_approvals()}
