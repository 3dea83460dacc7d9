"""The contract of ControlStore for withdrawn approvals: Redis and the in-memory fake."""

import pytest

from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.redis import RedisControls
from hemostat.core.ledger.controls import Approval, ApprovalAnswer
from hemostat.ports import ControlStore
from tests.contracts.test_controls import ASKED, NOW


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def controls(request: pytest.FixtureRequest) -> ControlStore:
    if request.param == "memory":
        return InMemoryControls()
    return RedisControls(request.getfixturevalue("redis_client"))


def withdraw(controls: ControlStore, at: float = NOW + 1) -> None:
    controls.withdraw_approval(ASKED.key, by="responder@a", reason="tried before", now=at)


def approve(controls: ControlStore, at: float = NOW) -> Approval | None:
    return controls.answer_approval(ASKED.id, ApprovalAnswer.APPROVED, by="ann", reason="", now=at)


def test_withdrawn_approval_cannot_be_answered(controls: ControlStore) -> None:
    """Also by a person whose clock is behind. The request is not made again."""
    controls.request_approval(ASKED)
    withdraw(controls)
    (closed,) = controls.list_approvals()
    assert (closed.is_withdrawn, closed.until, closed.is_open(NOW)) == (True, NOW + 1, False)
    assert closed.describe_end() == "HemoStat withdrew it: tried before"
    assert approve(controls) == closed
    assert controls.request_approval(ASKED) == closed


def test_answered_or_expired_approval_is_not_withdrawn(controls: ControlStore) -> None:
    withdraw(controls)
    controls.request_approval(ASKED)
    withdraw(controls, at=NOW + 60)
    assert controls.list_approvals() == [ASKED]
    answered = approve(controls)
    withdraw(controls, at=NOW + 2)
    assert controls.list_approvals() == [answered]
