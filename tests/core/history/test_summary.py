"""A summary counts every incident once, and its cost once."""

import xml.etree.ElementTree as ET

import msgspec
import pytest

from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.summary import DurationSpread, Offender, compute_spread, summarize
from hemostat.core.history.summary_chart import render_svg
from hemostat.events import Container, Investigation, Kind, Outcome, Phase, Reason
from tests.support.samples import DIAGNOSIS, NOW, alert, complete, event, needed

HOUR = 3600.0


def summary(*events, since=NOW, until=NOW + HOUR, bars=2):
    step = (until - since) / bars
    return summarize(build_incident_logs(events), [since + number * step for number in range(bars)], until)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], None),
        ([3.0], DurationSpread(count=1, mean=3.0, p95=3.0)),
        (list(range(1, 101)), DurationSpread(count=100, mean=50.5, p95=95)),
    ],
)
def test_percentiles_use_the_nearest_rank(seconds, expected):
    assert compute_spread(seconds) == expected


def test_second_death_is_one_incident_with_two_alerts():
    told = summary(
        event(alert(), 0.5),
        event(complete(), 3),
        event(alert(occurrence=2, since=NOW + 60), 61),
        event(complete(occurrence=2), 70),
    )
    assert (told.incidents, told.alerts, told.healed, told.open) == (1, 2, 1, 0)
    assert told.detect == DurationSpread(count=2, mean=0.75, p95=1.0)
    assert told.heal == DurationSpread(count=2, mean=6.5, p95=10.0)


def test_earlier_events_give_the_start_and_are_not_counted():
    told = summary(event(alert(), -100), event(complete(), 20), since=NOW)
    assert (told.incidents, told.alerts, told.detect) == (1, 0, None)
    assert told.heal == DurationSpread(count=1, mean=20.0, p95=20.0)
    assert summary(event(alert(), -100), event(complete(), -20)).incidents == 0


def test_cost_of_an_investigation_counts_once():
    paid = Investigation(model="m", tokens=10, cost=0.5)
    made = msgspec.structs.replace(DIAGNOSIS, investigation=paid)
    reused = msgspec.structs.replace(DIAGNOSIS, investigation=msgspec.structs.replace(paid, reused=True))
    told = summary(
        event(alert()),
        event(needed(diagnosis=made), 1),
        event(needed(diagnosis=made, rung=1), 2),
        event(alert(), 3, incident="i2"),
        event(needed(diagnosis=reused), 4, incident="i2"),
    )
    assert (told.spend.diagnoses, told.spend.tokens, told.spend.cost) == (1, 10, 0.5)


def test_incident_refused_then_healed_counts_as_both():
    refused = complete(outcome=Outcome.REFUSED, reason=Reason.PAUSED)
    told = summary(event(alert()), event(refused, 1), event(complete(), 9))
    assert (told.refused, told.healed, told.open) == (1, 1, 0)


def test_containers_are_ranked_by_failures():
    told = summary(
        event(alert()),
        event(complete(), 1),
        event(alert(), 2, incident="i2"),
        event(alert(), 3, incident="i3", host="b"),
        event(alert(), 4, incident="i4"),
    )
    first = Offender(host="h", container="web", incidents=3, alerts=3, healed=1, kinds={"exited": 3})
    assert told.offenders[0] == first
    assert [each.host for each in told.offenders] == ["h", "b"]


def test_orders_by_people_are_counted_apart_from_incidents():
    told = summary(
        event(alert()), event(alert(), 1, incident="i2"), event(alert(kind=Kind.ORDERED), 2, incident="i3")
    )
    assert (told.incidents, told.orders) == (2, 1)


def test_chart_shows_each_incident_at_its_start():
    late = alert(since=NOW + HOUR * 0.75)
    told = summary(event(alert()), event(complete(), 1), event(late, HOUR * 0.75, incident="i2"))
    assert [(bar.healed, bar.rest) for bar in told.bars] == [(1, 0), (0, 1)]
    drawn = ET.fromstring(render_svg(told, lambda moment: f"<{moment:.0f}>", "a & b"))  # noqa: S314 - our own
    words = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert words == ["a & b", "1 healed", "1 not healed"]
    visible = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert visible[:4] == ["a & b", "healed", "no action needed", "not healed"]
    assert visible[-2:] == [f"<{NOW:.0f}>", f"<{NOW + HOUR / 2:.0f}>"]


def test_dry_run_actions_are_counted_by_container():
    rehearsed = [
        event(complete(outcome=Outcome.DRY_RUN), at, incident=name) for at, name in ((1, "i1"), (2, "i2"))
    ]
    raised = [event(alert(), 0, incident=name) for name in ("i1", "i2")]
    found = summarize(build_incident_logs([*raised, *rehearsed]), [NOW - 1], NOW + 10)
    assert (found.dry_runs, found.dry_run_containers) == (2, 1)


def test_all_parts_of_a_chart_are_inside_the_picture():
    told = summary(event(alert()), event(complete(), 1), event(alert(), 2, incident="i2"), bars=24)
    drawn = ET.fromstring(render_svg(told, lambda moment: f"{moment:.0f}", "a"))  # noqa: S314 - our own
    width, height = float(drawn.attrib["width"]), float(drawn.attrib["height"])
    assert drawn.attrib["viewBox"] == f"0 0 {width:.0f} {height:.0f}"
    parts = [each.attrib for each in drawn.iter() if each.tag.rpartition("}")[2] in {"rect", "text"}]
    for part in parts:
        x, y = float(part.get("x", 0)), float(part.get("y", 0))
        assert 0 <= x <= x + float(part.get("width", 0)) <= width
        assert 0 <= y <= y + float(part.get("height", 0)) <= height
    bars = [each.attrib for each in drawn.iter() if any(child.tag.endswith("}title") for child in each)][1:]
    assert [float(bar["height"]) > height / 4 for bar in bars] == [True, True]
    middles = {round(float(bar["x"]) + float(bar["width"]) / 2, 1) for bar in bars}
    labels = {float(part["x"]) for part in parts if part.get("text-anchor") == "middle"}
    assert min(abs(middle - label) for middle in middles for label in labels) < 1


@pytest.mark.parametrize(("at", "counts"), [(0.0, 1), (-0.1, 0)])
def test_events_count_from_the_beginning_of_the_summary(at, counts):
    """The incident began before, and goes on after."""
    paid = Investigation(model="m", tokens=10, cost=0.5)
    diagnosis = msgspec.structs.replace(DIAGNOSIS, investigation=paid)
    told = summary(
        event(alert(since=NOW - 60), -50),
        event(alert(occurrence=2, since=NOW - 5), at),
        event(needed(diagnosis=diagnosis), at + 0.01),
        event(complete(outcome=Outcome.DRY_RUN, reason=Reason.DRY_RUN), at + 0.02),
        event(complete(outcome=Outcome.REFUSED, reason=Reason.PAUSED), at + 0.03),
        event(complete(outcome=Outcome.ESCALATED), at + 0.04),
        event(complete(), at + 0.05),
        event(alert(occurrence=3), 60),
    )
    assert (told.incidents, told.alerts) == (1, 1 + counts)
    assert (told.dry_runs, told.dry_run_containers) == (counts, counts)
    assert (told.refused, told.escalated) == (counts, counts)
    assert told.spend.diagnoses == counts
    assert (told.heal.count if told.heal else 0) == counts
    assert (told.detect.count, told.offenders[0].alerts) == (1 + counts, 1 + counts)
    assert told.heal is None or told.heal.mean == pytest.approx(5.05)


def test_alert_from_a_clock_ahead_took_no_time():
    told = summary(event(alert(since=NOW + 9), 0.0), event(complete(), 1.0))
    assert (told.detect.mean, told.heal.mean) == (0.0, 0.0)


def test_dry_runs_count_each_occurrence_once_and_containers():
    dry = complete(outcome=Outcome.DRY_RUN, reason=Reason.DRY_RUN)
    again = msgspec.structs.replace(dry, occurrence=2)
    told = summary(
        event(alert()), event(dry, 1), event(dry, 2), event(again, 3),
        event(alert(), 3, incident="i2", host="g"), event(dry, 4, incident="i2", host="g"),
    )  # fmt: skip
    assert (told.dry_runs, told.dry_run_containers) == (3, 2)


def test_incidents_are_counted_by_the_period_in_which_they_began():
    told = summary(
        event(alert(), -100),
        event(complete(), 1),
        event(alert(since=NOW + 1799), 1799, incident="i2"),
        event(alert(since=NOW + 1800), 1800, incident="i3"),
        event(alert(phase=Phase.CLEARED), 1900, incident="i3"),
    )
    assert [(each.healed, each.settled, each.rest) for each in told.bars] == [(1, 0, 1), (0, 1, 0)]
    assert (told.healed, told.recovered, told.open) == (1, 1, 1)


def test_only_the_worst_offenders_are_listed():
    events = [
        event(alert(container=Container(id=f"c{n}", name=f"c{n:02}")), n, incident=f"i{n}") for n in range(11)
    ]
    told = summary(*events)
    assert [each.container for each in told.offenders] == [f"c{n:02}" for n in range(10)]


def test_second_report_of_a_healing_does_not_count():
    told = summary(event(alert(), 0.0), event(complete(), 5.0), event(complete(), 9.0))
    assert told.heal == DurationSpread(count=1, mean=5.0, p95=5.0)
