import msgspec
import pytest

from hemostat.core.history.export import build_export
from hemostat.core.history.identity import identify_event, make_event_key, select_new
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.timeline import build_timeline
from tests.support.samples import ALL, alert, complete, decided, event, needed


def test_key_of_an_event_is_its_id():
    assert [*select_new({}, ALL).values()] == list(ALL)
    assert [make_event_key(each) for each in ALL] == [each.id for each in ALL]


@pytest.mark.parametrize("name", ["x" * 5000, "\x00", "a~b", "\u202e" * 300])
def test_unusable_id_has_a_short_printable_key(name):
    key = make_event_key(msgspec.structs.replace(ALL[0], id=name))
    assert key.isprintable()
    assert len(key) <= 200


def test_event_with_a_known_id_neither_replaces_nor_hides_another():
    first, other = event(decided()), msgspec.structs.replace(event(complete()), id=event(decided()).id)
    known = select_new({}, [first, other, first])
    assert known == {first.id: first, identify_event(other): other}
    assert select_new(known, [other, first]) == {}
    assert select_new({first.id: None}, [first]) == {identify_event(first): first}


def test_incident_shows_and_exports_both_events_with_one_id():
    request = event(needed(), 1)
    outcome = msgspec.structs.replace(event(complete(), 4), id=request.id)
    [log] = build_incident_logs([event(alert()), request, outcome, request])
    timeline = build_timeline(log)
    shown = [each.event for each in timeline.steps]
    assert request in shown
    assert outcome in shown
    assert timeline.status == "healed"
    assert [each.type for each in build_export(timeline, ()).events].count("remediation_complete") == 1
    assert len(build_export(timeline, ()).events) == 3
