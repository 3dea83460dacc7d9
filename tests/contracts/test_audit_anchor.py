"""What every notary must do: Redis, and the fake that stands for it."""

import pytest

from hemostat.adapters.in_memory.audit_anchor import MemoryNotary
from hemostat.adapters.redis import RedisNotary
from hemostat.core.history.audit_chain import End, Noted
from hemostat.ports import Notary

FIRST, SECOND = End(1, b"\x01" * 32), End(2, b"\x02" * 32)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def notary(request: pytest.FixtureRequest) -> Notary:
    if request.param == "memory":
        return MemoryNotary()
    return RedisNotary(request.getfixturevalue("redis_client"))


def test_what_is_noted_is_known_by_trail(notary: Notary) -> None:
    notary.note_head("a", SECOND)
    notary.note_anchor("a", FIRST)
    assert notary.noted("a") == Noted(anchor=FIRST, head=SECOND)
    assert notary.noted("b") == Noted()


def test_one_that_is_behind_takes_nothing_back(notary: Notary) -> None:
    notary.note_head("a", SECOND)
    notary.note_head("a", FIRST)
    assert notary.noted("a") == Noted(head=SECOND)
