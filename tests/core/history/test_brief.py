"""The state of an incident in a few words."""

import pytest

from hemostat.core.history.brief import describe_incident, describe_state
from hemostat.core.history.incident_log import IncidentLog, build_incident_logs
from hemostat.events import Action, Diagnosis, Kind, Outcome, Reason, Word
from tests.support.samples import CLEARED, alert, complete, decided, event, needed, order

HOST_BUSY = Diagnosis(cause="host overloaded", confidence=0.9)
STORM = Diagnosis(cause="part of a storm", confidence=0.9)


def build(*data) -> IncidentLog:
    (incident_log,) = build_incident_logs(event(each, number) for number, each in enumerate(data))
    return incident_log


def end(outcome: Outcome, reason: Reason, **changes) -> str:
    return describe_state(build(alert(), needed(), complete(outcome=outcome, reason=reason, **changes)))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (describe_state(build(alert())), ""),
        (describe_state(build(alert(), needed())), "restarting"),
        (describe_state(build(alert(), needed(action=Action.NONE))), "over to you"),
        (describe_state(build(alert(), needed(action=Action.NONE, alert=alert(root="db")))), "waits for db"),
        (describe_state(build(alert(), needed(), complete(), CLEARED)), "healed"),
        (describe_state(build(alert(), CLEARED)), "over"),
        (describe_state(build(alert(), needed(), complete(), alert(occurrence=2))), ""),
        (describe_state(build(order())), "restart ordered"),
        (end(Outcome.WAITING, Reason.ROOT_ELSEWHERE, detail="for db"), "waits for db"),
        (end(Outcome.WAITING, Reason.ROOT_ELSEWHERE, diagnosis=HOST_BUSY), "waits: host is busy"),
        (end(Outcome.WAITING, Reason.ROOT_ELSEWHERE, diagnosis=STORM), "waits: many failures at once"),
        (end(Outcome.WAITING, Reason.PAUSED, detail="paused by ann"), "waits: paused"),
        (end(Outcome.AWAITING_APPROVAL, Reason.APPROVAL), "asks: restart?"),
        (end(Outcome.DRY_RUN, Reason.DRY_RUN), "would restart"),
        (end(Outcome.ESCALATED, Reason.NEEDS_PERSON, action=Action.NONE), "over to you"),
        (end(Outcome.FAILED, Reason.NOT_VERIFIED), "restart did not help"),
        (end(Outcome.FAILED, Reason.ENGINE_ERROR), "restart failed"),
        (end(Outcome.FAILED, Reason.GIVEN_UP, action=Action.NONE), "over to you"),
        (end(Outcome.REFUSED, Reason.BREAKER_OPEN), "not restarted: breaker open"),
        (end(Outcome.EXPIRED, Reason.EXPIRED), "not restarted: too late"),
        (
            describe_state(
                build(
                    alert(),
                    needed(),
                    complete(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL),
                    decided(what=Word.APPROVED),
                )
            ),
            "asks: restart?",
        ),
    ],
)
def test_state_is_told_in_a_few_words(line, text):
    assert line == text


def test_incident_is_told_by_its_state_and_its_kind():
    assert describe_incident(build(alert())) == "exited"
    sick = alert(kind=Kind.UNHEALTHY)
    assert describe_incident(build(sick, needed(alert=sick))) == "restarting: health check fails"
