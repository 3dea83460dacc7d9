"""The ladder: what comes next when an action did not help or could not be done. Never the same rung twice."""

from typing import Final

from hemostat.events import Action, Kind, Outcome, Reason, RemediationComplete

DEATHS: Final = frozenset({Kind.EXITED, Kind.OOM})
DOWN: Final = frozenset({"exited", "dead"})

LADDER: Final[dict[Action, Action]] = {
    Action.EXEC: Action.RESTART,
    Action.SCALE: Action.RESTART,
    Action.CLEANUP: Action.NONE,
    Action.RESTART: Action.NONE,
    Action.START: Action.NONE,
}
"""What follows an action; NONE is people."""


def follows(done: RemediationComplete) -> Action | None:
    """The next rung after this remediation; None where it is the last word."""
    if done.outcome is Outcome.FAILED:
        # One that died again is told of by its own death, which the crash loop ends.
        again = done.kind in DEATHS and done.after is not None and done.after.status in DOWN
        return None if again else instead(done.action, done.kind)
    if done.outcome is Outcome.NOT_APPLICABLE and done.reason is Reason.UNSUPPORTED:
        return instead(done.action, done.kind)
    return None


def instead(action: Action, kind: Kind) -> Action | None:
    """The rung after this one. A busy container is not restarted because scaling it is not possible, or not
    enough."""
    if action is Action.SCALE and kind is not Kind.OOM:
        return Action.NONE
    return LADDER.get(action)
