"""Rows of the ledger for tests."""

import msgspec

from hemostat.core.ledger.controls import Pause
from hemostat.core.ledger.rows import Attempt
from hemostat.events import Action, Outcome
from tests.support.samples import NOW

LEASE = 120.0


def attempt(ago: float, *, outcome: Outcome | None = Outcome.HEALED, **changes) -> Attempt:
    """An attempt on `web`, begun `ago` seconds before NOW and over in a second."""
    plain = Attempt(
        key=f"old:{ago}",
        container="web",
        action=Action.RESTART,
        time=NOW - ago,
        by="responder@a",
        lease=NOW - ago + LEASE,
        outcome=outcome,
        finished=None if outcome is None else NOW - ago + 1,
    )
    return msgspec.structs.replace(plain, **changes)


PAUSED = Pause(by="ann", at=NOW - 5)


def failed(ago: float, **changes) -> Attempt:
    return attempt(ago, outcome=Outcome.FAILED, **changes)
