"""An alert in, a remediation or a false alarm out."""

from hemostat.agents.analyzer import Analyzer
from hemostat.events import Evidence, FalseAlarm, Kind, RemediationNeeded
from tests.samples import CLEARED, NOW, alert, complete, event

ANALYZER = Analyzer(source="analyzer@1")
STEADY = alert(kind=Kind.MEMORY_HIGH, evidence=(Evidence("growth", 0.0), Evidence("memory_limit", 100)))


def test_a_real_issue_asks_for_a_remediation_of_the_same_incident():
    asked = event(alert())
    (told,) = ANALYZER.step(asked, NOW + 1)
    assert isinstance(told.data, RemediationNeeded)
    assert (told.incident, told.cause, told.host) == (asked.incident, asked.id, asked.host)


def test_a_false_alarm_is_told_as_one():
    (told,) = ANALYZER.step(event(STEADY), NOW + 1)
    assert isinstance(told.data, FalseAlarm)


def test_the_end_of_a_condition_asks_for_nothing():
    assert ANALYZER.step(event(CLEARED), NOW) == []
    assert ANALYZER.step(event(complete()), NOW) == []
