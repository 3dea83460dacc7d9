"""What is counted, from events alone."""

import json

import msgspec
import pytest

from hemostat.core.metrics import definitions
from hemostat.core.metrics.counters import Counters
from hemostat.core.metrics.definitions import OTHER, DeliveryResult
from hemostat.events import (
    Action,
    Container,
    Decided,
    Event,
    Figure,
    Investigation,
    Kind,
    Order,
    Outcome,
    Payload,
    Reason,
    Word,
)
from tests.support.samples import CLEARED, DIAGNOSIS, NOW, WEB, alert, complete, event, heartbeat, needed


def tally(*events: Event, containers: int = 10) -> Counters:
    made = Counters(containers=containers)
    for number, each in enumerate(events):
        made.take(each.type, f"{number}-0", each)
    return made


def counted(made: Counters, measure: definitions.Measure) -> dict:
    return made.collect_numbers()[measure]


def investigated(**changes: object) -> Payload:
    found = Investigation(model="m", steps=("logs", "top"), tokens=1200, cost=0.02, **changes)
    return needed(diagnosis=msgspec.structs.replace(DIAGNOSIS, advisor="openai m", investigation=found))


def test_alerts_count_by_occurrence_and_ends_separately():
    made = tally(event(alert()), event(alert(occurrence=2), 5), event(CLEARED, 9))
    assert counted(made, definitions.ALERTS) == {("exited", "critical", "h", "web"): 2}
    assert counted(made, definitions.CLEARED_ALERTS) == {("exited", "h"): 1}


def test_duplicate_event_id_counts_once():
    """A responder puts off a request by putting it back on the stream."""
    asked = event(needed())
    assert sum(counted(tally(asked, event(alert()), asked), definitions.DIAGNOSES).values()) == 1


@pytest.mark.parametrize(
    ("outcome", "reason", "done"),
    [
        (Outcome.HEALED, Reason.VERIFIED, 1),
        (Outcome.FAILED, Reason.NOT_VERIFIED, 1),
        (Outcome.FAILED, Reason.GIVEN_UP, 0),
        (Outcome.REFUSED, Reason.COOLDOWN, 0),
        (Outcome.DRY_RUN, Reason.DRY_RUN, 0),
    ],
)
def test_decisions_and_executed_actions_are_counted(outcome, reason, done):
    made = tally(event(complete(outcome=outcome, reason=reason)))
    assert counted(made, definitions.DECISIONS) == {(outcome, reason, "h"): 1}
    assert sum(counted(made, definitions.ACTIONS).values()) == done


def test_time_to_heal_starts_with_the_condition():
    made = tally(event(alert(since=NOW - 1)), event(CLEARED, 2), event(complete(), 4))
    healed = counted(made, definitions.TIME_TO_HEAL)["exited",]
    assert (sum(healed.counts), healed.sum) == (1, 5.0)
    assert healed.counts[definitions.TIME_TO_HEAL.buckets.index(5.0)] == 1


def test_time_to_diagnose_starts_with_the_diagnosed_event():
    told = event(alert())
    answer = msgspec.structs.replace(event(needed(), 0.25), cause=told.id)
    spent = counted(tally(told, answer), definitions.TIME_TO_DIAGNOSE)["rules",]
    assert spent.sum == pytest.approx(0.25)


def test_clock_set_back_gives_no_negative_duration():
    assert counted(tally(event(alert(since=NOW + 60))), definitions.TIME_TO_DETECT)["exited",].sum == 0.0


def test_reused_diagnosis_costs_once():
    made = tally(event(investigated()), event(investigated(reused=True), 1))
    told = [
        counted(made, each)
        for each in (definitions.INVESTIGATIONS, definitions.MODEL_STEPS, definitions.MODEL_TOKENS)
    ]
    assert told == [{("m",): 1}, {("m",): 2}, {("m",): 1200}]
    assert counted(made, definitions.MODEL_COST) == {("m",): 0.02}
    assert counted(made, definitions.REUSED_DIAGNOSES) == {("m",): 1}


def test_containers_above_the_limit_are_counted_as_other():
    raised = [event(alert(container=Container(id=name, name=name))) for name in ("a", "b", "c", "a")]
    made = tally(*(msgspec.structs.replace(each, id=str(n)) for n, each in enumerate(raised)), containers=1)
    told = {labels[3]: count for labels, count in counted(made, definitions.ALERTS).items()}
    assert told == {"a": 2, OTHER: 2}


def box(name: str, project: str = "") -> Container:
    labels = {"com.docker.compose.project": project} if project else {}
    return Container(id=name, name=name, labels=labels)


def named(made: Counters, *containers: Container, at: float = 0.0) -> list[str]:
    """What each is called, one second after the other."""
    return [made.get_container_name(each, NOW + at + number) for number, each in enumerate(containers)]


def test_unused_name_frees_its_series():
    made = Counters(containers=2)
    assert named(made, box("a"), box("b"), box("c")) == ["a", "b", OTHER]
    assert named(made, box("b"), at=3000.0) == ["b"]
    assert named(made, box("c"), box("a"), at=3700.0) == ["c", OTHER]


def test_counts_of_an_evicted_name_become_other():
    made = Counters(containers=1)
    for number, (name, later) in enumerate((("a", 0.0), ("a", 1.0), ("b", 9000.0))):
        made.take("health_alert", f"{number}-0", event(alert(container=box(name)), later))
    told = {labels[3]: count for labels, count in counted(made, definitions.ALERTS).items()}
    assert told == {"b": 1, OTHER: 2}


def test_project_does_not_take_series_of_others():
    made = Counters(containers=10)
    evil = [box(f"evil-{number}", "evil") for number in range(50)]
    assert named(made, *evil).count(OTHER) == 40
    shop = [box(f"shop-{number}", "shop") for number in range(8)]
    assert named(made, *shop, at=100.0) == [each.name for each in shop[:5]] + [OTHER] * 3
    assert named(made, *evil[:20], at=200.0).count(OTHER) == 15
    assert named(made, *shop, at=300.0)[:5] == [each.name for each in shop[:5]]


def test_project_keeps_one_series_among_many():
    made = Counters(containers=10)
    assert named(made, box("victim", "shop")) == ["victim"]
    named(made, *(box(f"e{number}", f"p{number}") for number in range(50)), at=10.0)
    assert named(made, box("victim", "shop"), at=100.0) == ["victim"]


def test_series_survive_a_restart():
    made = Counters(containers=2)
    named(made, box("a"), box("b"))
    after = Counters(containers=2)
    after.restore(made.encode_state())
    assert named(after, box("c"), box("a"), at=10.0) == [OTHER, "a"]
    earlier = Counters(containers=2)
    earlier.restore(b'{"known": {"container": ["a", "b"]}}')
    assert named(earlier, box("a"), box("c"), box("d"), at=10.0) == ["a", "c", OTHER]


def test_invalid_bytes_are_ignored():
    made = tally()
    made.take("health_alert", "7-0", None)
    assert made.positions == {"health_alert": "7-0"}


def test_processed_events_grow_over_restarts_of_the_role():
    made = tally()
    for handled, started in ((5, NOW), (8, NOW), (2, NOW + 60)):
        made.count_heartbeats([event(heartbeat(handled=handled, started=started))], NOW)
    assert counted(made, definitions.HANDLED_EVENTS) == {("monitor", "h"): 10}


def sampled(number: int, started: float = NOW, host: str = "h") -> Event:
    return event(
        heartbeat(started=started, figures=(Figure(definitions.SAMPLES.name, (host,), number),)), host=host
    )


def test_role_counters_grow_over_all_restarts():
    made = tally()
    for number, started in ((5, NOW), (8, NOW), (2, NOW + 60)):
        made.count_heartbeats([sampled(number, started)], NOW)
    after = Counters(containers=1)
    after.restore(made.encode_state())
    after.count_heartbeats([sampled(3, NOW + 60), sampled(1, host="other")], NOW)
    assert counted(after, definitions.SAMPLES) == {("h",): 11, ("other",): 1}


@pytest.mark.parametrize(
    "figure",
    [
        Figure("hemostat_alerts_total", ("exited", "critical", "h", "web"), 1),
        Figure("hemostat_samples_total", ("h", "web"), 1),
        Figure("hemostat_nonsense_total", (), 1),
    ],
)
def test_counter_of_another_role_is_ignored(figure):
    made = tally()
    made.count_heartbeats([event(heartbeat(figures=(figure,)))], NOW)
    assert {m.name for m, values in made.collect_numbers().items() if values} == {
        definitions.HANDLED_EVENTS.name
    }


def test_channels_above_the_limit_are_counted_as_other():
    made = tally()
    name = definitions.NOTIFICATIONS.name
    figures = tuple(Figure(name, (f"c{number}", DeliveryResult.DELIVERED), 1) for number in range(60))
    made.count_heartbeats([event(heartbeat(figures=figures))], NOW)
    told = counted(made, definitions.NOTIFICATIONS)
    assert (len(told), told[OTHER, "delivered"]) == (51, 10)


def test_silent_role_is_forgotten_after_a_day():
    made = tally()
    made.count_heartbeats([event(heartbeat())], NOW)
    made.count_heartbeats([], NOW + 86_000)
    assert list(made.roles) == [("monitor", "h")]
    made.count_heartbeats([], NOW + 87_000)
    assert made.roles == {}


def test_successor_continues_with_the_same_counts():
    story = (event(alert()), event(investigated(), 0.1), event(CLEARED, 2), event(complete(), 3))
    for cut in range(len(story) + 1):
        before = tally(*story[:cut])
        after = Counters(containers=10)
        after.restore(before.encode_state())
        for each in (*story[:cut][-1:], *story[cut:]):
            after.take(each.type, "9-0", each)
        assert after.collect_numbers() == tally(*story).collect_numbers()


def test_obsolete_counter_is_dropped():
    made = Counters(containers=1)
    made.restore(b'{"counts": [["hemostat_gone_total", ["a"], 1], ["hemostat_alerts_total", ["a"], 1]]}')
    assert not any(made.collect_numbers().values())


@pytest.mark.parametrize("measure", definitions.COUNTED_MEASURES, ids=lambda each: each.name)
def test_buckets_of_a_measure_ascend(measure):
    assert list(measure.buckets) == sorted(set(measure.buckets))


@pytest.mark.parametrize("name", ["hemostat_gone_seconds", definitions.TIME_TO_DETECT.name])
def test_stored_durations_in_other_buckets_are_dropped(name):
    made = Counters(containers=1)
    made.restore(json.dumps({"spread": [[name, ["exited"], [1, 2], 3.0]]}).encode())
    made.take("health_alert", "1-0", event(alert()))
    (found,) = made.collect_numbers()[definitions.TIME_TO_DETECT].values()
    assert sum(found.counts) == 1


def test_incident_duration_ends_with_the_condition():
    made = tally(event(alert()), event(alert(kind=Kind.OOM), incident="i2"), event(CLEARED, 1))
    assert [each.kind for each in made.open_incidents.values() if each.lasts] == [Kind.OOM]


def test_decisions_of_people_are_counted():
    order = Order(container=WEB, action=Action.RESTART, by="ann@h")
    pause = Decided(what=Word.PAUSED, by="ann@h", container="*")
    assert counted(tally(event(order), event(pause)), definitions.PERSON_EVENTS) == {
        ("ordered",): 1,
        ("paused",): 1,
    }
