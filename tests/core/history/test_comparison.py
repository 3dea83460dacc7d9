"""A report names what fails more often than in the period before, and what no longer fails."""

import tracemalloc

import msgspec
import pytest

from hemostat.core.history import report_rows
from hemostat.core.history.comparison import Trend, build_report
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.summary import summarize, trim_event
from hemostat.events import Evidence, Investigation, Kind, Outcome, Quote, Reason
from tests.support.samples import ALL, CLEARED, DIAGNOSIS, NOW, WEB, alert, complete, event, needed

DAY = 86_400.0
DB = msgspec.structs.replace(WEB, id="c2", name="db")


def fail(incident, time, container=WEB, *, kind=Kind.EXITED, host="h"):
    """An incident that ends by itself after one second."""
    return (
        event(alert(container=container, kind=kind), time, incident=incident, host=host),
        event(
            msgspec.structs.replace(CLEARED, container=container, kind=kind),
            time + 1,
            incident=incident,
            host=host,
        ),
    )


def report(*events):
    return build_report(events, [NOW], NOW + DAY)


def list_changes(*incidents):
    changes = report(*(each for incident in incidents for each in incident)).changes
    return [(str(each.trend), each.container, each.kind, each.alerts, each.alerts_before) for each in changes]


def test_failure_of_one_period_only_is_new_or_ended():
    assert list_changes(fail("i1", 10), fail("i2", -10, DB)) == [
        ("new", "web", "exited", 1, 0),
        ("no longer", "db", "exited", 0, 1),
    ]


@pytest.mark.parametrize(("now", "before", "trend"), [(2, 1, Trend.MORE), (1, 2, Trend.FEWER), (2, 2, None)])
def test_failure_of_both_periods_is_compared_by_number(now, before, trend):
    times = [10 + number for number in range(now)] + [-10 - number for number in range(before)]
    changes = list_changes(*(fail(f"i{time}", time) for time in times))
    assert [each[0] for each in changes] == ([trend] if trend else [])


def test_another_kind_or_host_is_another_failure():
    changes = list_changes(fail("i1", -10), fail("i2", 10, kind=Kind.OOM), fail("i3", 20, host="b"))
    assert [each[:3] for each in changes] == [
        ("new", "web", "exited"),
        ("new", "web", "oom"),
        ("no longer", "web", "exited"),
    ]


def test_open_incident_without_a_new_alert_has_not_ended():
    assert list_changes((event(alert(), -10),)) == []


def test_orders_of_people_are_no_failures():
    ordered = alert(kind=Kind.ORDERED)
    assert list_changes((event(ordered, 10),), (event(ordered, -10),)) == []


def test_event_on_the_boundary_counts_in_one_period():
    made = report(*fail("i1", 0), *fail("i2", -DAY), *fail("i3", -DAY - 5))
    assert (made.incidents, made.previous.incidents) == (1, 1)


def test_counts_stand_beside_those_of_the_period_before():
    failed = complete(outcome=Outcome.FAILED, reason=Reason.NOT_VERIFIED)
    made = report(event(alert(), 1), event(failed, 2), event(complete(), 3), *fail("i2", -10))
    rows = {name: (number, before) for name, number, before in report_rows.list_counts(made)}
    assert rows["incidents"] == ("1 with 1 alerts", "1 with 1 alerts")
    assert rows["ended without action"] == ("0", "1 (100%)")
    assert rows["action: restart"] == ("1 healed, 1 did not help", "0")


def test_containers_are_named_with_their_host_on_several_hosts():
    one, two = report(*fail("i1", 10)), report(*fail("i1", 10), *fail("i2", 20, host="b"))
    assert [row[1] for row in report_rows.list_changes(one)] == ["web"]
    assert [row[1] for row in report_rows.list_changes(two)] == ["b/web", "h/web"]


def test_empty_period_before_is_stated():
    assert report_rows.describe_no_changes(report(*fail("i1", 10))) == report_rows.NOTHING_BEFORE
    both = report(*fail("i1", 10), *fail("i2", -10))
    assert report_rows.describe_no_changes(both) == report_rows.NO_CHANGES
    assert report_rows.describe_no_changes(report(*fail("i1", 10), *fail("i2", -10, DB))) == ""


def make_large(number: int):
    facts = tuple(Evidence(f"fact{index}", "x" * 1000) for index in range(40))
    labels = {f"hemostat.{index}": "x" * 200 for index in range(20)}
    container = msgspec.structs.replace(WEB, labels=labels)
    diagnosis = msgspec.structs.replace(DIAGNOSIS, reasons=("x" * 1000,) * 20)
    large = alert(container=container, evidence=facts, occurrence=number)
    return event(needed(alert=large, diagnosis=diagnosis), number)


def test_report_keeps_no_texts_of_its_events():
    """Other users of a host choose how large its events are, and how many there are."""
    build_report((make_large(number) for number in range(2)), [NOW], NOW + DAY)
    tracemalloc.start()
    build_report((make_large(number) for number in range(500)), [NOW], NOW + DAY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.type)
def test_trimmed_events_have_the_same_statistics(each):
    investigation = Investigation(model="m", quotes=(Quote("log", "x"),), tokens=7, cost=0.5)
    diagnosis = msgspec.structs.replace(DIAGNOSIS, investigation=investigation)
    if hasattr(each.data, "diagnosis"):
        each = msgspec.structs.replace(each, data=msgspec.structs.replace(each.data, diagnosis=diagnosis))
    before = event(alert(since=NOW - 5), -1, incident=each.incident)
    summaries = [
        summarize(build_incident_logs(events), [NOW - 10], NOW + DAY)
        for events in ([before, each], [trim_event(before), trim_event(each)])
    ]
    assert summaries[0] == summaries[1]
