"""What comes next when an action did not help, or could not be done."""

import pytest

from hemostat.core.escalate import follows
from hemostat.events import Action, Kind, Outcome, Reason, State
from tests.samples import alert, complete

DEAD = State(status="exited", exit_code=1)


def failed(action: Action, kind: Kind = Kind.UNHEALTHY, **changes):
    return complete(action=action, kind=kind, outcome=Outcome.FAILED, reason=Reason.NOT_VERIFIED, **changes)


def unsupported(kind: Kind):
    return complete(
        action=Action.SCALE,
        kind=kind,
        outcome=Outcome.NOT_APPLICABLE,
        reason=Reason.UNSUPPORTED,
        alert=alert(kind=kind),
    )


@pytest.mark.parametrize(
    ("done", "action"),
    [
        (failed(Action.EXEC), Action.RESTART),
        (failed(Action.SCALE, Kind.OOM), Action.RESTART),
        (failed(Action.SCALE, Kind.CPU_HIGH), Action.NONE),
        (failed(Action.RESTART), Action.NONE),
        (failed(Action.CLEANUP), Action.NONE),
        (failed(Action.RESTART, Kind.EXITED, after=DEAD), None),
        (failed(Action.RESTART, Kind.EXITED), Action.NONE),
        (unsupported(Kind.OOM), Action.RESTART),
        (unsupported(Kind.CPU_HIGH), Action.NONE),
        (complete(), None),
        (complete(outcome=Outcome.NOT_APPLICABLE, reason=Reason.RECOVERED), None),
        (complete(outcome=Outcome.REFUSED, reason=Reason.COOLDOWN), None),
    ],
)
def test_each_rung_has_one_that_follows_and_the_last_is_people(done, action):
    assert follows(done) is action


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.NONE])
def test_no_ladder_goes_on_for_ever(action):
    seen = [action]
    while (following := follows(failed(seen[-1]))) not in {None, Action.NONE}:
        assert following not in seen
        seen.append(following)
