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
    return made.numbers()[measure]


def investigated(**changes: object) -> Payload:
    found = Investigation(model="m", steps=("logs", "top"), tokens=1200, cost=0.02, **changes)
    return needed(diagnosis=msgspec.structs.replace(DIAGNOSIS, advisor="openai m", investigation=found))


def test_alerts_are_counted_by_occurrence_and_their_ends_apart():
    made = tally(event(alert()), event(alert(occurrence=2), 5), event(CLEARED, 9))
    assert counted(made, definitions.ALERTS) == {("exited", "critical", "h", "web"): 2}
    assert counted(made, definitions.CLEARED_ALERTS) == {("exited", "h"): 1}


def test_what_comes_again_under_its_id_counts_once():
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
def test_every_decision_is_counted_and_as_an_action_what_was_done(outcome, reason, done):
    made = tally(event(complete(outcome=outcome, reason=reason)))
    assert counted(made, definitions.DECISIONS) == {(outcome, reason, "h"): 1}
    assert sum(counted(made, definitions.ACTIONS).values()) == done


def test_the_time_to_heal_is_from_the_beginning_even_where_the_condition_ended_before_it_was_verified():
    made = tally(event(alert(since=NOW - 1)), event(CLEARED, 2), event(complete(), 4))
    healed = counted(made, definitions.TIME_TO_HEAL)["exited",]
    assert (sum(healed.counts), healed.sum) == (1, 5.0)
    assert healed.counts[definitions.TIME_TO_HEAL.buckets.index(5.0)] == 1


def test_the_time_to_diagnose_is_from_the_event_that_was_diagnosed():
    told = event(alert())
    answer = msgspec.structs.replace(event(needed(), 0.25), cause=told.id)
    spent = counted(tally(told, answer), definitions.TIME_TO_DIAGNOSE)["rules",]
    assert spent.sum == pytest.approx(0.25)


def test_a_clock_that_was_set_back_makes_no_time_negative():
    assert counted(tally(event(alert(since=NOW + 60))), definitions.TIME_TO_DETECT)["exited",].sum == 0.0


def test_a_model_is_paid_for_once_however_often_its_diagnosis_serves():
    made = tally(event(investigated()), event(investigated(reused=True), 1))
    told = [
        counted(made, each)
        for each in (definitions.INVESTIGATIONS, definitions.MODEL_STEPS, definitions.MODEL_TOKENS)
    ]
    assert told == [{("m",): 1}, {("m",): 2}, {("m",): 1200}]
    assert counted(made, definitions.MODEL_COST) == {("m",): 0.02}
    assert counted(made, definitions.REUSED_DIAGNOSES) == {("m",): 1}


def test_containers_past_the_limit_are_counted_together():
    raised = [event(alert(container=Container(id=name, name=name))) for name in ("a", "b", "c", "a")]
    made = tally(*(msgspec.structs.replace(each, id=str(n)) for n, each in enumerate(raised)), containers=1)
    told = {labels[3]: count for labels, count in counted(made, definitions.ALERTS).items()}
    assert told == {"a": 2, OTHER: 2}


def box(name: str, project: str = "") -> Container:
    labels = {"com.docker.compose.project": project} if project else {}
    return Container(id=name, name=name, labels=labels)


def named(made: Counters, *containers: Container, at: float = 0.0) -> list[str]:
    """What each is called, one second after the other."""
    return [made.name_of(each, NOW + at + number) for number, each in enumerate(containers)]


def test_a_name_that_is_not_seen_any_more_gives_its_place():
    made = Counters(containers=2)
    assert named(made, box("a"), box("b"), box("c")) == ["a", "b", OTHER]
    assert named(made, box("b"), at=3000.0) == ["b"]
    assert named(made, box("c"), box("a"), at=3700.0) == ["c", OTHER]


def test_what_a_name_without_a_place_had_counted_is_counted_as_other():
    made = Counters(containers=1)
    for number, (name, later) in enumerate((("a", 0.0), ("a", 1.0), ("b", 9000.0))):
        made.take("health_alert", f"{number}-0", event(alert(container=box(name)), later))
    told = {labels[3]: count for labels, count in counted(made, definitions.ALERTS).items()}
    assert told == {"b": 1, OTHER: 2}


def test_one_project_leaves_the_places_of_others():
    made = Counters(containers=10)
    evil = [box(f"evil-{number}", "evil") for number in range(50)]
    assert named(made, *evil).count(OTHER) == 40
    shop = [box(f"shop-{number}", "shop") for number in range(8)]
    assert named(made, *shop, at=100.0) == [each.name for each in shop[:5]] + [OTHER] * 3
    assert named(made, *evil[:20], at=200.0).count(OTHER) == 15
    assert named(made, *shop, at=300.0)[:5] == [each.name for each in shop[:5]]


def test_many_projects_leave_a_project_one_place():
    made = Counters(containers=10)
    assert named(made, box("victim", "shop")) == ["victim"]
    named(made, *(box(f"e{number}", f"p{number}") for number in range(50)), at=10.0)
    assert named(made, box("victim", "shop"), at=100.0) == ["victim"]


def test_places_are_kept_over_a_restart_and_those_of_an_earlier_version_are_free():
    made = Counters(containers=2)
    named(made, box("a"), box("b"))
    after = Counters(containers=2)
    after.restore(made.memo())
    assert named(after, box("c"), box("a"), at=10.0) == [OTHER, "a"]
    earlier = Counters(containers=2)
    earlier.restore(b'{"known": {"container": ["a", "b"]}}')
    assert named(earlier, box("a"), box("c"), box("d"), at=10.0) == ["a", "c", OTHER]


def test_bytes_that_are_no_event_are_passed_over():
    made = tally()
    made.take("health_alert", "7-0", None)
    assert made.positions == {"health_alert": "7-0"}


def test_what_a_role_has_handled_grows_over_its_restarts():
    made = tally()
    for handled, started in ((5, NOW), (8, NOW), (2, NOW + 60)):
        made.hear([event(heartbeat(handled=handled, started=started))], NOW)
    assert counted(made, definitions.HANDLED_EVENTS) == {("monitor", "h"): 10}


def sampled(number: int, started: float = NOW, host: str = "h") -> Event:
    return event(
        heartbeat(started=started, figures=(Figure(definitions.SAMPLES.name, (host,), number),)), host=host
    )


def test_what_a_role_has_counted_grows_over_its_restarts_and_over_ours():
    made = tally()
    for number, started in ((5, NOW), (8, NOW), (2, NOW + 60)):
        made.hear([sampled(number, started)], NOW)
    after = Counters(containers=1)
    after.restore(made.memo())
    after.hear([sampled(3, NOW + 60), sampled(1, host="other")], NOW)
    assert counted(after, definitions.SAMPLES) == {("h",): 11, ("other",): 1}


@pytest.mark.parametrize(
    "figure",
    [
        Figure("hemostat_alerts_total", ("exited", "critical", "h", "web"), 1),
        Figure("hemostat_samples_total", ("h", "web"), 1),
        Figure("hemostat_nonsense_total", (), 1),
    ],
)
def test_what_is_no_roles_to_count_is_passed_over(figure):
    made = tally()
    made.hear([event(heartbeat(figures=(figure,)))], NOW)
    assert {m.name for m, values in made.numbers().items() if values} == {definitions.HANDLED_EVENTS.name}


def test_channels_past_the_limit_are_counted_together():
    made = tally()
    name = definitions.NOTIFICATIONS.name
    figures = tuple(Figure(name, (f"c{number}", DeliveryResult.DELIVERED), 1) for number in range(60))
    made.hear([event(heartbeat(figures=figures))], NOW)
    told = counted(made, definitions.NOTIFICATIONS)
    assert (len(told), told[OTHER, "delivered"]) == (51, 10)


def test_a_role_is_forgotten_a_day_after_it_was_last_heard_of():
    made = tally()
    made.hear([event(heartbeat())], NOW)
    made.hear([], NOW + 86_000)
    assert list(made.roles) == [("monitor", "h")]
    made.hear([], NOW + 87_000)
    assert made.roles == {}


def test_who_goes_on_where_another_ended_counts_the_same():
    story = (event(alert()), event(investigated(), 0.1), event(CLEARED, 2), event(complete(), 3))
    for cut in range(len(story) + 1):
        before = tally(*story[:cut])
        after = Counters(containers=10)
        after.restore(before.memo())
        for each in (*story[:cut][-1:], *story[cut:]):
            after.take(each.type, "9-0", each)
        assert after.numbers() == tally(*story).numbers()


def test_what_is_no_longer_counted_so_is_left_behind():
    made = Counters(containers=1)
    made.restore(b'{"counts": [["hemostat_gone_total", ["a"], 1], ["hemostat_alerts_total", ["a"], 1]]}')
    assert not any(made.numbers().values())


@pytest.mark.parametrize("measure", definitions.COUNTED_MEASURES, ids=lambda each: each.name)
def test_buckets_of_a_measure_ascend(measure):
    assert list(measure.buckets) == sorted(set(measure.buckets))


@pytest.mark.parametrize("name", ["hemostat_gone_seconds", definitions.TIME_TO_DETECT.name])
def test_stored_durations_in_other_buckets_are_dropped(name):
    made = Counters(containers=1)
    made.restore(json.dumps({"spread": [[name, ["exited"], [1, 2], 3.0]]}).encode())
    made.take("health_alert", "1-0", event(alert()))
    (found,) = made.numbers()[definitions.TIME_TO_DETECT].values()
    assert sum(found.counts) == 1


def test_an_incident_lasts_until_its_condition_ends():
    made = tally(event(alert()), event(alert(kind=Kind.OOM), incident="i2"), event(CLEARED, 1))
    assert [each.kind for each in made.opened.values() if each.lasts] == [Kind.OOM]


def test_what_people_say_is_counted():
    order = Order(container=WEB, action=Action.RESTART, by="ann@h")
    pause = Decided(what=Word.PAUSED, by="ann@h", container="*")
    assert counted(tally(event(order), event(pause)), definitions.PERSON_EVENTS) == {
        ("ordered",): 1,
        ("paused",): 1,
    }
