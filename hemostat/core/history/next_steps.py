"""The actions tried against an incident, the actions that would follow, and the next step. Pure."""

import shlex
from collections.abc import Iterator
from typing import Final

import msgspec

from hemostat.core.history.incident_log import LEFT_TO_PEOPLE, SETTLED_STATUSES
from hemostat.core.history.timeline import IncidentTimeline, TimelineStage, find_last_occurrence
from hemostat.core.remediation.ladder import find_following_action, find_next_rung
from hemostat.core.text import is_container_name
from hemostat.core.wording import ACTION_WORDS, OVER_TO_YOU, describe_status
from hemostat.events import (
    Action,
    Decided,
    Kind,
    Order,
    Outcome,
    Reason,
    RemediationComplete,
    RemediationNeeded,
    Word,
)

NEXT_STATE: Final = "next"


class LadderRung(msgspec.Struct, frozen=True):
    """`state` is an outcome, or `requested`, `under way`, `next`."""

    action: Action
    state: str

    @property
    def text(self) -> str:
        state = describe_status(self.state)
        if self.action is Action.NONE and self.state != NEXT_STATE:
            return OVER_TO_YOU if self.state in LEFT_TO_PEOPLE else state
        return f"{ACTION_WORDS[self.action].name}: {state}"


def build_ladder(timeline: IncidentTimeline) -> tuple[LadderRung, ...]:
    """The actions tried for the last occurrence and, until the occurrence ends, those that would follow."""
    rungs: dict[int, LadderRung] = {}
    following: Action | None = None
    for step in find_last_occurrence(timeline):
        match step.event.data:
            case RemediationNeeded() as request if step.stage is TimelineStage.DECISION:
                rungs[request.rung] = LadderRung(request.action, "requested")
                following = find_next_rung(request.action, timeline.kind)
            case RemediationComplete() as completion:
                at_work = step.stage is not TimelineStage.OUTCOME and step.stage is not TimelineStage.DECISION
                rungs[completion.rung] = LadderRung(
                    completion.action, "under way" if at_work else completion.outcome
                )
                waits = at_work or completion.outcome in WAITING_OUTCOMES
                following = (
                    find_next_rung(completion.action, timeline.kind)
                    if waits
                    else find_following_action(completion)
                )
    past_rungs = tuple(rungs[number] for number in sorted(rungs))
    if not past_rungs or timeline.status in SETTLED_STATUSES:
        return past_rungs
    return (*past_rungs, *_list_following_rungs(following, timeline.kind))


def _list_following_rungs(action: Action | None, kind: Kind) -> Iterator[LadderRung]:
    """Ends because no rung repeats."""
    listed_actions: set[Action] = set()
    while action is not None and action not in listed_actions:
        listed_actions.add(action)
        yield LadderRung(action, NEXT_STATE)
        action = find_next_rung(action, kind)


WAITING_OUTCOMES: Final = frozenset({Outcome.WAITING, Outcome.AWAITING_APPROVAL})

DIAGNOSIS_FOLLOWS: Final = "the analyzer diagnoses it, then the responder decides what to do"
INVESTIGATE: Final = (
    f"{OVER_TO_YOU}: read its log (L). Repaired? restart it (R, hemostat order restart), "
    "and close the incident (c, hemostat close)"
)
CLOSE_IT: Final = f"{OVER_TO_YOU.capitalize()}: repair it, then close the incident (c, hemostat close)"
RESTART_IT: Final = f"{OVER_TO_YOU.capitalize()}: restart it (R, hemostat order restart), or close it (c)"
NO_BUDGET: Final = f"nothing before then. {OVER_TO_YOU.capitalize()}: remove the cause, or R restarts it now"
SETTLED_TEXTS: Final = {"closed": "nothing: a person closed it; another failure opens it again"}
NEXT_STEP_TEXTS: Final = {
    Reason.ROOT_ELSEWHERE: "it is diagnosed again when that is over",
    Reason.MIN_HEALTHY: "it goes on when enough replicas are healthy",
    Reason.APPROVAL: "your answer: w, then y or n; or the command in the line above",
    Reason.NEEDS_PERSON: INVESTIGATE,
    Reason.GIVEN_UP: INVESTIGATE,
    Reason.NOT_VIABLE: f"{OVER_TO_YOU}: provide what its start needs, or recreate it",
    Reason.DRY_RUN: "nothing: a dry run takes no action; the mode auto would",
    Reason.PROTECTED: f"nothing: it is protected, so HemoStat never touches it. {CLOSE_IT}",
    Reason.NOT_ALLOWED: f"nothing: this action is not allowed for it. {CLOSE_IT}",
    Reason.BUDGET_SPENT: NO_BUDGET,
    Reason.COOLDOWN: NO_BUDGET,
    Reason.BREAKER_OPEN: "nothing before then. Repaired? close the breaker (B, hemostat reset)",
    Reason.REJECTED: f"nothing: an operator rejected it. {RESTART_IT}",
    Reason.NO_ANSWER: f"nothing: the question was not answered in time. {RESTART_IT}",
    Reason.EXPIRED: f"nothing: the failure is too old for an action. {RESTART_IT}",
}


def describe_next_step(timeline: IncidentTimeline) -> str:
    """What happens next, as text."""
    if timeline.status in SETTLED_STATUSES:
        return SETTLED_TEXTS.get(timeline.status, "nothing: it is over; another failure raises a new alert")
    is_pending = timeline.status == Outcome.AWAITING_APPROVAL
    own_steps = (
        each
        for each in reversed(timeline.steps)
        if not isinstance(each.event.data, Decided) or (is_pending and _is_answer(each.event.data))
    )
    step = next(own_steps, None)
    if step is None:
        return DIAGNOSIS_FOLLOWS
    match step.event.data:
        case RemediationNeeded(action=action):
            return (
                "a notification is sent"
                if action is Action.NONE
                else f"the responder decides whether to {ACTION_WORDS[action].order}"
            )
        case RemediationComplete() as completion:
            return _STAGE_TEXTS.get(step.stage) or _describe_after(completion)
        case Order(action=action) | Decided(what=Word.APPROVED, action=action):
            return f"the responder decides whether to {ACTION_WORDS[action].order}"
    return DIAGNOSIS_FOLLOWS if not isinstance(step.event.data, Decided) else NEXT_STEP_TEXTS[Reason.REJECTED]


def _is_answer(decision: Decided) -> bool:
    return decision.what in {Word.APPROVED, Word.REJECTED}


_STAGE_TEXTS: Final = {
    TimelineStage.ACTION: "verification: running, healthy, and the failure has ended",
    TimelineStage.VERIFICATION: "the outcome",
}


def _describe_after(completion: RemediationComplete) -> str:
    if completion.kind is Kind.ORDERED and completion.outcome is not Outcome.WAITING:
        return _describe_after_order(completion)
    if completion.reason is Reason.PAUSED:
        return f"it goes on after the pause: {_name_resume(completion)}"
    following = find_following_action(completion)
    if following is Action.NONE:
        return "a notification is sent: no other action is available"
    if following is not None:
        return f"then HemoStat tries to {ACTION_WORDS[following].order}"
    if completion.outcome is Outcome.FAILED and completion.reason is not Reason.GIVEN_UP:
        return "it exited again: a new alert follows"
    return NEXT_STEP_TEXTS.get(completion.reason, "nothing until the next alert")


def _name_resume(completion: RemediationComplete) -> str:
    """The commands that end a pause of everything or of the container. An outcome does not say which it
    was."""
    name = completion.container.name
    if not is_container_name(name):
        return "hemostat resume"
    return f"hemostat resume or {shlex.join(('hemostat', 'resume', '--container', name))}"


def _describe_after_order(completion: RemediationComplete) -> str:
    """An order that was refused or failed is over: HemoStat does not try it again."""
    if completion.reason is Reason.PAUSED:
        return f"nothing: run {_name_resume(completion)}, then order it again"
    if completion.reason in {Reason.APPROVAL, Reason.REJECTED}:
        return NEXT_STEP_TEXTS[completion.reason]
    return "nothing: an order is tried once"
