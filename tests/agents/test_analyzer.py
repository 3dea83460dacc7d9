"""An alert in, a remediation or a false alarm out."""

from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.in_memory.precedents import InMemoryPrecedents
from hemostat.agents.analyzer import Analyzer
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Evidence, FalseAlarm, Kind, Outcome, Reason, RemediationNeeded
from tests.support.clock import FakeClock
from tests.support.samples import CLEARED, NOW, alert, complete, event

CLOCK = FakeClock(NOW)
ANALYZER = Analyzer(
    InMemoryPrecedents(CLOCK), InMemoryEvidence(), CLOCK, ResponderSettings(), source="analyzer@1"
)
STEADY = alert(kind=Kind.MEMORY_HIGH, evidence=(Evidence("growth", 0.0), Evidence("memory_limit", 100)))


def test_alert_leads_to_a_request_of_the_same_incident():
    asked = event(alert())
    (told,) = ANALYZER.step(asked, NOW + 1)
    assert isinstance(told.data, RemediationNeeded)
    assert (told.incident, told.cause, told.host) == (asked.incident, asked.id, asked.host)


def test_false_alarm_is_published():
    (told,) = ANALYZER.step(event(STEADY), NOW + 1)
    assert isinstance(told.data, FalseAlarm)


def test_cleared_alert_leads_to_no_request():
    assert ANALYZER.step(event(CLEARED), NOW) == []
    assert ANALYZER.step(event(complete()), NOW) == []


def test_undiagnosed_alert_needs_a_person():
    """The next rung too; and the error tells no secret."""
    for told, rung in ((event(alert()), 0), (failed(rung=1), 2)):
        (asked,) = ANALYZER.answer_dead_letter(told, "ValueError: password=hunter2", NOW)
        assert (asked.data.action, asked.data.rung, asked.incident) == (Action.NONE, rung, told.incident)
        assert asked.data.diagnosis.reasons == ("ValueError: password=[redacted: password]",)
    assert (
        ANALYZER.answer_dead_letter(event(CLEARED), "", NOW)
        == ANALYZER.answer_dead_letter(event(complete()), "", NOW)
        == []
    )


def failed(**changes):
    told = alert(kind=Kind.UNHEALTHY)
    plain = {"outcome": Outcome.FAILED, "reason": Reason.NOT_VERIFIED, "kind": told.kind, "alert": told}
    return event(complete(**{**plain, **changes}))


def test_failed_action_leads_to_the_next_ladder_step():
    (told,) = ANALYZER.step(failed(action=Action.EXEC), NOW)
    assert (told.data.action, told.data.rung) == (Action.RESTART, 1)
    (told,) = ANALYZER.step(failed(rung=1), NOW)
    assert (told.data.action, told.data.rung, told.incident) == (Action.NONE, 2, "i1")


def test_healed_or_refused_action_has_no_next_step():
    assert ANALYZER.step(event(complete(alert=alert())), NOW) == []
    refused = event(complete(outcome=Outcome.REFUSED, reason=Reason.BUDGET_SPENT, alert=alert()))
    assert ANALYZER.step(refused, NOW) == []


def test_relapse_skips_actions_that_were_tried():
    analyzer = Analyzer(
        InMemoryPrecedents(CLOCK), InMemoryEvidence(), CLOCK, ResponderSettings(), source="analyzer@1"
    )
    told = alert(kind=Kind.UNHEALTHY)
    healed = complete(kind=told.kind, alert=told)
    assert analyzer.step(event(healed), NOW) == []
    again = alert(kind=Kind.UNHEALTHY, occurrence=2, relapsed=True)
    (asked,) = analyzer.step(event(again), NOW + 60)
    assert (asked.data.action, asked.data.diagnosis.cause) == (Action.NONE, "hung")
    assert "the failure returned after restart" in asked.data.diagnosis.reasons
    (other,) = analyzer.step(event(again, incident="i2"), NOW + 60)
    assert other.data.action is Action.RESTART
