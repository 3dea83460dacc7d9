"""The ladder of actions: what follows an action that failed or could not run. No rung repeats."""

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
"""The action that follows each action. NONE means escalation to a person."""

REVIVING_ACTIONS: Final = frozenset({Action.RESTART, Action.START})
MAX_STARTS: Final = 2
"""How often a container that HemoStat's own restart left down is started before a notification is sent."""
HARMLESS_ACTIONS: Final = frozenset({Action.CLEANUP})
"""Actions that interrupt nothing. They may be repeated if they helped."""


def find_following_action(completion: RemediationComplete) -> Action | None:
    """The next rung after this remediation; None if no action follows."""
    if completion.outcome is Outcome.FAILED:
        is_down = completion.after is not None and completion.after.status in DOWN_STATES
        if completion.reason is Reason.ENGINE_ERROR and is_down and completion.action in REVIVING_ACTIONS:
            return Action.START if completion.rung < MAX_STARTS else Action.NONE
        # A container that exited again raises its own alert, and the crash-loop rule limits those.
        return (
            None
            if completion.kind in DEATH_KINDS and is_down
            else find_next_rung(completion.action, completion.kind)
        )
    if completion.outcome is Outcome.REFUSED and completion.reason is Reason.ALREADY_TRIED:
        return find_next_rung(completion.action, completion.kind)
    if completion.outcome is Outcome.NOT_APPLICABLE and completion.reason is Reason.UNSUPPORTED:
        return find_next_rung(completion.action, completion.kind)
    return None


def find_next_rung(action: Action, kind: Kind) -> Action | None:
    """The rung after this one. If a busy container cannot be scaled, or scaling did not suffice, it is not
    restarted."""
    if action is Action.SCALE and kind is not Kind.OOM:
        return Action.NONE
    return NEXT_RUNGS.get(action)


def is_exhausted(action: Action, kind: Kind, earlier: Iterable[tuple[Action, Outcome | None]]) -> bool:
    """Whether this action must not be tried again against an incident of this kind. `earlier` lists the
    actions carried out against the incident with their outcomes. A start is the only remedy for an exited
    container, so the crash-loop rule and the budget limit it instead."""
    if kind in DEATH_KINDS:
        return False
    outcomes = [outcome for earlier_action, outcome in earlier if earlier_action is action]
    return Outcome.FAILED in outcomes if action in HARMLESS_ACTIONS else bool(outcomes)


def find_next_untried(action: Action, kind: Kind, earlier: Sequence[tuple[Action, Outcome | None]]) -> Action:
    """This action, or the next rung of its ladder that has not been tried against the incident."""
    while action is not Action.NONE and is_exhausted(action, kind, earlier):
        action = find_next_rung(action, kind) or Action.NONE
    return action
