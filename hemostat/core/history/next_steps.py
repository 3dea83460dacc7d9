"""The actions tried against an incident, the actions that would follow, and the next step. Pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from hemostat.core.history.incident_log import SETTLED_STATUSES
from hemostat.core.history.timeline import IncidentTimeline, TimelineStage, find_last_occurrence
from hemostat.core.remediation.ladder import find_following_action, find_next_rung
from hemostat.events import Action, Kind, Outcome, Reason, RemediationComplete, RemediationNeeded


class LadderRung(msgspec.Struct, frozen=True):
    """`stands` is an outcome, or `asked for`, `under way`, `would follow`."""

    action: Action
    stands: str

    @property
    def words(self) -> str:
        who = "people" if self.action is Action.NONE else str(self.action)
        return f"{who}: {self.stands.replace('_', ' ')}"


def build_ladder(told: IncidentTimeline) -> tuple[LadderRung, ...]:
    """The actions tried for the last occurrence and, until the occurrence ends, those that would follow."""
    rungs: dict[int, LadderRung] = {}
    following: Action | None = None
    for step in find_last_occurrence(told):
        match step.event.data:
            case RemediationNeeded() as asked if step.stage is TimelineStage.DECISION:
                rungs[asked.rung] = LadderRung(asked.action, "asked for")
                following = find_next_rung(asked.action, told.kind)
            case RemediationComplete() as done:
                at_work = step.stage is not TimelineStage.OUTCOME and step.stage is not TimelineStage.DECISION
                rungs[done.rung] = LadderRung(done.action, "under way" if at_work else done.outcome)
                waits = at_work or done.outcome in WAITING_OUTCOMES
                following = find_next_rung(done.action, told.kind) if waits else find_following_action(done)
    tried = tuple(rungs[number] for number in sorted(rungs))
    if not tried or told.status in SETTLED_STATUSES:
        return tried
    return (*tried, *_list_following_rungs(following, told.kind))


def _list_following_rungs(action: Action | None, kind: Kind) -> Iterator[LadderRung]:
    """Ends because no rung repeats."""
    seen: set[Action] = set()
    while action is not None and action not in seen:
        seen.add(action)
        yield LadderRung(action, "would follow")
        action = find_next_rung(action, kind)


WAITING_OUTCOMES: Final = frozenset({Outcome.WAITING, Outcome.AWAITING_APPROVAL})

NEXT_STEP_TEXTS: Final = {
    Reason.PAUSED: "it goes on when that is lifted: hemostat resume",
    Reason.ROOT_ELSEWHERE: "it is looked at again once that one is well",
    Reason.MIN_HEALTHY: "it goes on when enough others are healthy",
    Reason.APPROVAL: "a person is to say yes or no",
    Reason.NEEDS_PERSON: "a person is to look at it",
    Reason.GIVEN_UP: "a person is to look at it",
    Reason.NOT_VIABLE: "a person is to provide what its start needs, or to recreate it",
    Reason.DRY_RUN: "nothing: in dry run nothing is done",
    Reason.PROTECTED: "nothing: it is protected, and left to people",
    Reason.NOT_ALLOWED: "nothing: that action is not allowed for it",
    Reason.BUDGET_SPENT: "nothing before then: a person may act, or change the cause",
    Reason.COOLDOWN: "nothing before then: a person may act, or change the cause",
    Reason.BREAKER_OPEN: "nothing before then: a person may act, or reset the breaker",
    Reason.REJECTED: "nothing: a person said no",
}


def describe_next_step(told: IncidentTimeline) -> str:
    """What happens next, as text."""
    step = told.steps[-1]
    if told.status in SETTLED_STATUSES:
        return "nothing: should it fail again, that is alerted anew"
    match step.event.data:
        case RemediationNeeded(action=action):
            return (
                "people are told" if action is Action.NONE else f"the responder decides whether to {action}"
            )
        case RemediationComplete() as done:
            return _STAGE_TEXTS.get(step.stage) or _describe_after(done)
    return "a diagnosis"


_STAGE_TEXTS: Final = {
    TimelineStage.ACTION: "it is verified: running, healthy, and what was wrong is over",
    TimelineStage.VERIFICATION: "the outcome",
}


def _describe_after(done: RemediationComplete) -> str:
    if done.kind is Kind.ORDERED and done.outcome is Outcome.REFUSED and done.reason is Reason.PAUSED:
        return "nothing: hemostat resume, then order it again"
    following = find_following_action(done)
    if following is Action.NONE:
        return "people are told: there is no other action for it"
    if following is not None:
        return f"{following} is tried"
    if done.outcome is Outcome.FAILED and done.reason is not Reason.GIVEN_UP:
        return "it died again: that is alerted anew"
    return NEXT_STEP_TEXTS.get(done.reason, "nothing, until it is alerted anew")
