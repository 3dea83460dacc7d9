"""What comes next when an action did not help, or could not be done."""

import msgspec
import pytest

from hemostat.core.remediation.ladder import find_following_action, find_next_untried
from hemostat.events import Action, Kind, Outcome, Reason, State
from tests.support.samples import alert, complete

DEAD = State(status="exited", exit_code=1)


def failed(action: Action, kind: Kind = Kind.UNHEALTHY, **changes):
    return complete(action=action, kind=kind, outcome=Outcome.FAILED, reason=Reason.NOT_VERIFIED, **changes)


def broken(action: Action, rung: int, kind: Kind = Kind.UNHEALTHY, after: State = DEAD):
    """The engine could not do it."""
    plain = failed(action, kind, rung=rung, after=after)
    return msgspec.structs.replace(plain, reason=Reason.ENGINE_ERROR)


def tried(action: Action):
    return complete(action=action, kind=Kind.UNHEALTHY, outcome=Outcome.REFUSED, reason=Reason.ALREADY_TRIED)


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
        (broken(Action.RESTART, 0), Action.START),
        (broken(Action.START, 1), Action.START),
        (broken(Action.START, 2), Action.NONE),
        (broken(Action.RESTART, 0, Kind.EXITED), Action.START),
        (broken(Action.RESTART, 0, after=State(status="created")), Action.START),
        (broken(Action.RESTART, 0, after=State(status="running")), Action.NONE),
        (broken(Action.EXEC, 0), Action.RESTART),
        (tried(Action.EXEC), Action.RESTART),
        (tried(Action.RESTART), Action.NONE),
        (unsupported(Kind.OOM), Action.RESTART),
        (unsupported(Kind.CPU_HIGH), Action.NONE),
        (complete(), None),
        (complete(outcome=Outcome.NOT_APPLICABLE, reason=Reason.RECOVERED), None),
        (complete(outcome=Outcome.REFUSED, reason=Reason.COOLDOWN), None),
    ],
)
def test_each_step_has_a_next_and_the_last_is_a_person(done, action):
    assert find_following_action(done) is action


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.NONE])
def test_every_ladder_ends(action):
    seen = [action]
    while (following := find_following_action(failed(seen[-1]))) not in {None, Action.NONE}:
        assert following not in seen
        seen.append(following)


@pytest.mark.parametrize(
    ("action", "kind", "earlier", "then"),
    [
        (Action.RESTART, Kind.UNHEALTHY, [], Action.RESTART),
        (Action.RESTART, Kind.UNHEALTHY, [(Action.RESTART, Outcome.HEALED)], Action.NONE),
        (Action.EXEC, Kind.HUNG, [(Action.EXEC, Outcome.HEALED)], Action.RESTART),
        (Action.EXEC, Kind.HUNG, [(Action.EXEC, Outcome.FAILED), (Action.RESTART, None)], Action.NONE),
        (Action.RESTART, Kind.EXITED, [(Action.RESTART, Outcome.HEALED)], Action.RESTART),
        (Action.CLEANUP, Kind.DISK_HIGH, [(Action.CLEANUP, Outcome.HEALED)], Action.CLEANUP),
        (Action.CLEANUP, Kind.DISK_HIGH, [(Action.CLEANUP, Outcome.FAILED)], Action.NONE),
    ],
)
def test_relapse_leads_to_the_next_step(action, kind, earlier, then):
    assert find_next_untried(action, kind, earlier) is then
