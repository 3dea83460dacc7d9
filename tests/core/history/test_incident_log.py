"""Events as people read them."""

import msgspec
import pytest

from hemostat.core.history.incident_log import build_incident_logs, find_subject
from hemostat.events import FalseAlarm, Kind, Outcome, Word
from tests.support.samples import (
    CLEARED,
    DIAGNOSIS,
    NOW,
    alert,
    complete,
    decided,
    event,
    heartbeat,
    needed,
    order,
    stats,
)


def answered(outcome: Outcome):
    return complete(kind=Kind.ORDERED, outcome=outcome)


LEFT_TO_PEOPLE = complete(outcome=Outcome.ESCALATED)
FALSE_ALARM = FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS)


@pytest.mark.parametrize(
    ("told", "status", "is_open"),
    [
        ([alert()], "open", True),
        ([alert(), needed()], "acting", True),
        ([alert(), needed(), complete()], "healed", False),
        ([alert(), needed(), complete(), CLEARED], "healed", False),
        ([alert(), CLEARED], "cleared", False),
        ([alert(), FALSE_ALARM], "false_alarm", False),
        ([alert(), FALSE_ALARM, CLEARED], "false_alarm", False),
        ([alert(), needed(), complete(outcome=Outcome.REFUSED)], "refused", True),
        ([alert(), needed(), complete(outcome=Outcome.REFUSED), CLEARED], "cleared", False),
        ([alert(), needed(), complete(outcome=Outcome.NOT_APPLICABLE)], "cleared", False),
        ([alert(), needed(), complete(), alert(occurrence=2)], "open", True),
        ([alert(), needed(), CLEARED, complete(outcome=Outcome.FAILED)], "cleared", False),
        ([alert(), needed(), CLEARED, complete(outcome=Outcome.ESCALATED)], "cleared", False),
        ([alert(), CLEARED, needed(), complete(outcome=Outcome.WAITING)], "cleared", False),
        ([alert(), needed(), CLEARED, complete()], "healed", False),
        ([alert(), CLEARED, alert(occurrence=2), complete(outcome=Outcome.FAILED)], "failed", True),
        ([order()], "acting", True),
        ([order(), answered(Outcome.WAITING)], "waiting", True),
        ([order(), answered(Outcome.HEALED)], "healed", False),
        ([order(), answered(Outcome.REFUSED)], "refused", False),
        ([alert(), needed(), decided(what=Word.APPROVED), complete()], "healed", False),
        ([alert(), needed(), decided(what=Word.APPROVED)], "acting", True),
        ([alert(), LEFT_TO_PEOPLE, decided(what=Word.ACKNOWLEDGED)], "escalated", True),
        ([alert(), LEFT_TO_PEOPLE, decided(what=Word.CLOSED)], "closed", False),
        ([alert(), LEFT_TO_PEOPLE, decided(what=Word.CLOSED), CLEARED], "closed", False),
        ([alert(), LEFT_TO_PEOPLE, decided(what=Word.CLOSED), LEFT_TO_PEOPLE], "closed", False),
        ([alert(), LEFT_TO_PEOPLE, decided(what=Word.CLOSED), alert(occurrence=2)], "open", True),
        ([alert(), CLEARED, decided(what=Word.CLOSED)], "cleared", False),
        ([alert(), decided(what=Word.CLOSED), needed(), LEFT_TO_PEOPLE], "escalated", True),
        ([alert(), CLEARED, needed(), LEFT_TO_PEOPLE], "cleared", False),
    ],
)
def test_status_of_an_incident_is_from_its_last_event(told, status, is_open):
    [story] = build_incident_logs(event(data, at) for at, data in enumerate(told))
    assert (story.status, story.is_open) == (status, is_open)
    assert [step.data for step in story.steps] == told


def test_events_may_come_in_any_order():
    told = [event(alert()), event(needed(), 1), event(complete(), 2)]
    assert build_incident_logs(reversed(told)) == build_incident_logs(told)


def test_incidents_are_separate_and_start_with_the_alert():
    found = build_incident_logs([event(alert(), 5, incident="b"), event(alert(since=NOW - 60), incident="a")])
    assert [(story.incident, story.since) for story in found] == [("a", NOW - 60), ("b", NOW)]


def test_log_without_its_start_begins_with_the_next_event():
    [story] = build_incident_logs([event(complete(), 7)])
    assert (story.since, story.kind, story.container.name) == (NOW + 7, Kind.EXITED, "web")


def test_global_decision_is_not_an_incident():
    assert build_incident_logs([event(decided(), incident=None)]) == []


def test_last_values_are_not_in_the_log():
    assert build_incident_logs([event(stats()), event(heartbeat())]) == []
    assert find_subject(event(heartbeat())) is None


def test_acknowledgement_lasts_until_another_occurrence():
    def build(*told):
        [log] = build_incident_logs(event(data, at) for at, data in enumerate(told))
        return log.acknowledgement

    taken = decided(what=Word.ACKNOWLEDGED, by="ann@h", reason="mine")
    note = build(alert(), LEFT_TO_PEOPLE, taken)
    assert (note.by, note.reason, note.at) == ("ann@h", "mine", NOW + 2)
    assert build(alert(), taken, alert(occurrence=2)) is not None
    assert build(alert(), taken, CLEARED) is not None
    assert build(alert(), taken, CLEARED, alert(occurrence=2)) is None


def test_incident_of_very_many_events_is_built():
    """A container that fails again and again for a week adds as many to one incident."""
    first = event(alert())
    events = [msgspec.structs.replace(first, time=NOW + number) for number in range(100_000)]
    (log,) = build_incident_logs(events)
    assert len(log.steps) == len(events)
