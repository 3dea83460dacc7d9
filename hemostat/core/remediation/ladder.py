"""The ladder: what comes next when an action did not help or could not be done. Never the same rung twice."""

from collections.abc import Iterable, Sequence
from typing import Final

from hemostat.events import Action, Kind, Outcome, Reason, RemediationComplete

DEATH_KINDS: Final = frozenset({Kind.EXITED, Kind.OOM})
DOWN_STATES: Final = frozenset({"exited", "dead", "created"})

NEXT_RUNGS: Final[dict[Action, Action]] = {
    Action.EXEC: Action.RESTART,
    Action.SCALE: Action.RESTART,
    Action.CLEANUP: Action.NONE,
    Action.RESTART: Action.NONE,
    Action.START: Action.NONE,
}
"""What follows an action; NONE is people."""

REVIVING_ACTIONS: Final = frozenset({Action.RESTART, Action.START})
MAX_STARTS: Final = 2
"""How often one that our restart has left down is started again before people are told."""
HARMLESS_ACTIONS: Final = frozenset({Action.CLEANUP})
"""Actions that interrupt nothing: those that helped may be repeated."""


def find_following_action(done: RemediationComplete) -> Action | None:
    """The next rung after this remediation; None where it is the last word."""
    if done.outcome is Outcome.FAILED:
        is_down = done.after is not None and done.after.status in DOWN_STATES
        if done.reason is Reason.ENGINE_ERROR and is_down and done.action in REVIVING_ACTIONS:
            return Action.START if done.rung < MAX_STARTS else Action.NONE
        # One that died again is told of by its own death, which the crash loop ends.
        return None if done.kind in DEATH_KINDS and is_down else find_next_rung(done.action, done.kind)
    if done.outcome is Outcome.REFUSED and done.reason is Reason.ALREADY_TRIED:
        return find_next_rung(done.action, done.kind)
    if done.outcome is Outcome.NOT_APPLICABLE and done.reason is Reason.UNSUPPORTED:
        return find_next_rung(done.action, done.kind)
    return None


def find_next_rung(action: Action, kind: Kind) -> Action | None:
    """The rung after this one. A busy container is not restarted because scaling it is not possible, or not
    enough."""
    if action is Action.SCALE and kind is not Kind.OOM:
        return Action.NONE
    return NEXT_RUNGS.get(action)


def is_exhausted(action: Action, kind: Kind, earlier: Iterable[tuple[Action, Outcome | None]]) -> bool:
    """Whether this action is not to be tried against an incident of this kind any more. `earlier` are the
    actions that were carried out against it, and what came of them. A container that has died has no other
    remedy than a start: the crash loop and the budget end that."""
    if kind in DEATH_KINDS:
        return False
    outcomes = [outcome for tried, outcome in earlier if tried is action]
    return Outcome.FAILED in outcomes if action in HARMLESS_ACTIONS else bool(outcomes)


def find_next_untried(action: Action, kind: Kind, earlier: Sequence[tuple[Action, Outcome | None]]) -> Action:
    """This action, or the next rung of its ladder that has not been tried against the incident."""
    while action is not Action.NONE and is_exhausted(action, kind, earlier):
        action = find_next_rung(action, kind) or Action.NONE
    return action
