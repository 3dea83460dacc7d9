"""The contract of ControlStore: Redis and the in-memory fake."""

import threading

import msgspec
import pytest

from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.redis import Client, RedisControls
from hemostat.adapters.redis.controls import APPROVALS_KEY
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer, Pause
from hemostat.errors import UsageError
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
def control_store(request: pytest.FixtureRequest) -> ControlStore:
    if request.param == "memory":
        return InMemoryControls()
    return RedisControls(request.getfixturevalue("redis_client"))


def answer(
    control_store: ControlStore,
    given: ApprovalAnswer = ApprovalAnswer.APPROVED,
    *,
    by: str = "ann",
    at: float = NOW + 1,
    name: str = "a1",
):
    return control_store.answer_approval(name, given, by=by, reason="", now=at)


def test_pause_applies_until_it_expires_or_is_resumed(control_store: ControlStore) -> None:
    control_store.pause(ALL_CONTAINERS, PAUSE)
    control_store.pause("db", msgspec.structs.replace(PAUSE, until=None))
    controls = control_store.read_controls()
    assert controls.find_pause("web", NOW + 59) == PAUSE
    assert controls.find_pause("web", NOW + 60) is None
    assert controls.find_pause("db", NOW + 9999) is not None
    assert control_store.resume("db")
    assert not control_store.resume("db")
    assert control_store.read_controls().find_pause("db", NOW + 9999) is None


def test_circuit_breaker_is_reset_for_one_or_all(control_store: ControlStore) -> None:
    control_store.reset_breaker("web", NOW)
    assert (
        control_store.read_controls().get_reset_time("web"),
        control_store.read_controls().get_reset_time("db"),
    ) == (
        NOW,
        0.0,
    )
    control_store.reset_breaker(ALL_CONTAINERS, NOW + 5)
    assert (
        control_store.read_controls().get_reset_time("web"),
        control_store.read_controls().get_reset_time("db"),
    ) == (
        NOW + 5,
        NOW + 5,
    )


def test_approval_is_created_once(control_store: ControlStore) -> None:
    assert control_store.request_approval(ASKED) == ASKED
    again = msgspec.structs.replace(ASKED, id="a2", asked=NOW + 5)
    assert control_store.request_approval(again) == ASKED
    assert control_store.list_approvals() == [ASKED]


def test_answer_is_stored_with_its_author(control_store: ControlStore) -> None:
    control_store.request_approval(ASKED)
    told = control_store.answer_approval(
        "a1", ApprovalAnswer.REJECTED, by="ann", reason="not now", now=NOW + 1
    )
    assert told is not None
    assert (told.answer, told.by, told.reason, told.answered) == (
        ApprovalAnswer.REJECTED,
        "ann",
        "not now",
        NOW + 1,
    )
    assert control_store.list_approvals() == [told]


def test_the_first_answer_stands(control_store: ControlStore) -> None:
    control_store.request_approval(ASKED)
    first = answer(control_store)
    assert answer(control_store, ApprovalAnswer.REJECTED, by="bob", at=NOW + 2) == first


def test_expired_approval_cannot_be_answered(control_store: ControlStore) -> None:
    control_store.request_approval(ASKED)
    assert answer(control_store, at=NOW + 60) == ASKED


def test_unknown_approval_cannot_be_answered(control_store: ControlStore) -> None:
    assert answer(control_store, name="nothing") is None


def test_one_of_many_concurrent_answers_is_stored(control_store: ControlStore) -> None:
    control_store.request_approval(ASKED)
    told: list[Approval | None] = []
    ready = threading.Barrier(8)

    def say(number: int) -> None:
        ready.wait()
        told.append(answer(control_store, by=f"p{number}"))

    threads = [threading.Thread(target=say, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.by for each in told if each}) == 1


@pytest.mark.redis
def test_redis_reads_all_requests_rarely(redis_client: Client) -> None:
    """Redis answers no other client meanwhile, and any label can request an approval."""
    control_store = RedisControls(redis_client)
    for number in range(3):
        redis_client.raw.execute_command("CONFIG", "RESETSTAT")
        control_store.request_approval(
            msgspec.structs.replace(ASKED, id=str(number), key=f"i{number}:1:0", asked=NOW + number)
        )
        calls = redis_client.raw.info("commandstats")
        assert ("cmdstat_hgetall" in calls) is (number == 0)


@pytest.mark.redis
def test_expired_requests_are_removed_early_where_there_are_many(redis_client: Client) -> None:
    """A label requests an approval, so a user may cause any number of requests."""
    control_store = RedisControls(redis_client)
    for number in range(1100):
        late = msgspec.structs.replace(ASKED, id=str(number), key=f"i{number}:1:0", until=NOW + number)
        redis_client.raw.hset(APPROVALS_KEY, late.key, msgspec.json.encode(late))
    control_store.request_approval(
        msgspec.structs.replace(ASKED, id="b1", key="i9999:1:0", asked=NOW + 4000, until=NOW + 5000)
    )
    assert min(each.until for each in control_store.list_approvals()) == NOW + 400
    assert "b1" in {each.id for each in control_store.list_approvals()}


def test_ambiguous_approval_id_is_refused(control_store: ControlStore) -> None:
    """A responder's user may write a request with the id of another."""
    control_store.request_approval(ASKED)
    forged = msgspec.structs.replace(ASKED, key="i2:1:0", container="db", asked=NOW + 0.5)
    control_store.request_approval(forged)
    with pytest.raises(UsageError, match="2 requests for approval match 'a1'"):
        answer(control_store)
    assert control_store.list_approvals() == [ASKED, forged]


def test_beginning_of_an_approval_id_selects_the_open_request(control_store: ControlStore) -> None:
    first, second = (
        msgspec.structs.replace(ASKED, id=name, key=name) for name in ("abcd000000", "abcdff0000")
    )
    control_store.request_approval(first)
    control_store.request_approval(second)
    assert answer(control_store, name="abc") is None
    with pytest.raises(UsageError, match="2 requests"):
        answer(control_store, name="abcd")
    approved = answer(control_store, name="abcd0")
    assert approved is not None
    assert (approved.id, approved.answer) == (first.id, ApprovalAnswer.APPROVED)
