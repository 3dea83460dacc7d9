"""A pending approval for tests."""

from hemostat.core.ledger.controls import Approval
from hemostat.events import Action

FAR = 9e9
PENDING_APPROVAL = Approval(
    id="a1b2c3",
    key="i1:1:0",
    incident="i1",
    host="h",
    container="web",
    action=Action.RESTART,
    cause="crash",
    asked=FAR - 60,
    until=FAR,
)
