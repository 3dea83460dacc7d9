"""Changes that matter to an operator: transitions, not samples."""

import msgspec
import pytest

from hemostat.core.history.changes import UNSEEN_SECONDS, ChangeTracker
from hemostat.core.history.role_changes import MAX_HOSTS, MAX_INSTANCES, RoleTracker
from hemostat.core.history.sentences import format_event_line
from hemostat.events import DURABLE, Container, Outcome, State
from tests.support.samples import ALL, NOW, alert, complete, event, heartbeat, stats

RUNNING = State(status="running", started_at=NOW)
OTHER = Container(id="c2", name="web")


def state(**changes):
    return msgspec.structs.replace(RUNNING, **changes)


def tell(*states, container=None):
    """The texts of the changes between these states."""
    tracker, texts = ChangeTracker(), []
    for number, each in enumerate(states):
        changed = {} if container is None or number == 0 else {"container": container}
        sample = event(msgspec.structs.replace(stats(), state=each, **changed), number)
        changes = tracker.handle(sample, NOW + number)
        texts += [change.text for change in changes] if number else []
    return texts


def beat(tracker, at, **changes):
    fields = {"role": "monitor", "instance": "m1", "every": 2.0, "trouble": "", "warnings": (), **changes}
    return tracker.handle(event(msgspec.structs.replace(heartbeat(), **fields), at), NOW + at)


def texts_of(changes):
    return [(each.what, each.subject, each.text) for each in changes]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (RUNNING, state(status="exited", exit_code=3), "exited with code 3"),
        (state(status="exited"), state(started_at=NOW + 5), "started"),
        (RUNNING, state(started_at=NOW + 5), "restarted"),
        (state(status="exited"), state(status="exited", exit_code=1, started_at=NOW + 5), "started again, "),
        (state(health="starting"), state(health="unhealthy"), "unhealthy"),
        (state(health="unhealthy"), state(health="healthy"), "healthy"),
        (RUNNING, state(status="paused"), "paused"),
        (state(status="paused"), RUNNING, "no longer paused"),
        (RUNNING, state(status="removed"), "removed"),
        (RUNNING, state(status="restarting"), "restarting"),
    ],
)
def test_state_transition_is_one_change(before, after, text):
    [told] = tell(before, after)
    assert told.startswith(text)


def test_samples_without_a_transition_are_no_change():
    assert tell(RUNNING, RUNNING, state(health="starting"), RUNNING) == []


def test_recreated_container_is_named_so():
    assert tell(RUNNING, RUNNING, container=OTHER) == ["recreated, new: running"]


def test_present_state_is_no_change():
    tracker = ChangeTracker()
    tracker.begin([event(stats()), event(heartbeat())], NOW)
    assert tracker.handle(event(stats(), 1), NOW + 1) == []
    assert tracker.handle(event(heartbeat(), 1), NOW + 1) == []


def test_durable_events_have_the_sentence_of_the_events_command():
    durable = [each for each in ALL if each.type in DURABLE]
    changes = [change for each in durable for change in ChangeTracker().handle(each, NOW)]
    assert [each.text for each in changes] == [format_event_line(each) for each in durable]


@pytest.mark.parametrize(
    ("outcome", "person"),
    [
        (Outcome.HEALED, False),
        (Outcome.WAITING, False),
        (Outcome.AWAITING_APPROVAL, True),
        (Outcome.ESCALATED, True),
        (Outcome.FAILED, True),
    ],
)
def test_outcome_left_to_people_needs_a_person(outcome, person):
    [change] = ChangeTracker().handle(event(complete(outcome=outcome)), NOW)
    assert change.needs_person is person


def test_alert_about_the_host_has_no_container():
    [change] = ChangeTracker().handle(event(alert(container=Container(id="", name="h"))), NOW)
    assert change.subject == ""


def test_container_without_statistics_is_lost_while_the_monitor_runs():
    tracker = ChangeTracker()
    tracker.begin([event(stats())], NOW)
    assert tracker.check_time(NOW + UNSEEN_SECONDS + 1) == [], "no monitor"
    beat(tracker, UNSEEN_SECONDS)
    [lost] = tracker.check_time(NOW + UNSEEN_SECONDS + 1)
    assert lost.subject == "web"
    assert lost.text.startswith("no longer reported")
    assert tracker.check_time(NOW + UNSEEN_SECONDS + 2) == []


def test_container_that_is_missing_after_a_lost_connection_is_told():
    tracker = ChangeTracker()
    db = event(stats(container=Container(id="c9", name="db")))
    tracker.begin([event(stats()), db], NOW)
    [change] = tracker.resume([db], NOW + 100)
    assert (change.subject, change.what) == ("web", "container")


def test_role_that_starts_is_told_with_its_mode():
    [change] = beat(ChangeTracker(), 0, role="responder", mode="dry-run")
    assert (change.what, change.subject, change.text) == ("role", "responder", "running, mode dry-run")


def test_role_that_falls_silent_and_returns_is_told_once_each():
    tracker = ChangeTracker()
    beat(tracker, 0)
    beat(tracker, 0, role="alert", instance="a1")
    for second in range(1, 12):
        beat(tracker, second, role="alert", instance="a1")
        changes = tracker.check_time(NOW + second)
        assert bool(changes) is (second == 7)
        if changes:
            assert changes[0].needs_person
            assert changes[0].text.startswith("no heartbeat for 7 s")
    assert [each.text for each in beat(tracker, 12)] == ["heartbeats again after 12 s"]


def test_silent_host_is_one_change_and_so_is_its_return():
    tracker = ChangeTracker()
    for role in ("monitor", "analyzer", "responder"):
        beat(tracker, 0.5 if role == "monitor" else 0, role=role, instance=role)
    told = [each for second in range(1, 30) for each in tracker.check_time(NOW + second)]
    assert texts_of(told) == [("host", "", "no heartbeat of any role for 6 s")]
    back = beat(tracker, 40, role="monitor", instance="monitor")
    assert texts_of(back) == [("host", "", "heartbeats again after 39.5 s")]
    assert beat(tracker, 41, role="analyzer", instance="analyzer") == []
    late = []
    for second in range(42, 60):
        assert beat(tracker, second, role="monitor", instance="monitor") == []
        late += tracker.check_time(NOW + second)
    assert [(each.what, each.subject) for each in late] == [("role", "responder"), ("role", "analyzer")]


def test_replaced_instance_needs_no_person():
    tracker = ChangeTracker()
    beat(tracker, 0, instance="old")
    for second in range(1, 9):
        beat(tracker, second, instance="new")
        for change in tracker.check_time(NOW + second):
            assert change.text == "no heartbeat of instance old for 7 s; instance new is running"
            assert not change.needs_person


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mode": "auto"}, "mode auto, was unknown"),
        ({"trouble": "the engine does not answer"}, "error: the engine does not answer"),
        ({"warnings": ("no swap",)}, "warning: no swap"),
        ({"started": NOW + 9}, "restarted"),
    ],
)
def test_change_in_a_heartbeat_is_told(changes, text):
    tracker = ChangeTracker()
    beat(tracker, 0)
    assert [each.text for each in beat(tracker, 2, **changes)] == [text]


def test_trouble_that_only_counts_on_is_no_change():
    tracker = ChangeTracker()
    beat(tracker, 0, trouble="no answer for 3 s")
    assert beat(tracker, 2, trouble="no answer for 5 s") == []
    assert [each.text for each in beat(tracker, 4)] == ["the error is over: no answer for 5 s"]


def test_silence_during_a_lost_connection_is_forgiven():
    tracker = ChangeTracker()
    beat(tracker, 0)
    tracker.resume([], NOW + 100)
    assert tracker.check_time(NOW + 101) == []


def test_invented_hosts_and_instances_are_bounded():
    tracker = RoleTracker()
    for number in range(MAX_INSTANCES + 5):
        tracker.hear("h", heartbeat("monitor", instance=f"i{number}"), NOW)
    assert len(tracker.find_silent(NOW + 60)) == 1, "the host, in one change"
    for number in range(MAX_HOSTS + 5):
        tracker.hear(f"h{number}", heartbeat("monitor"), NOW + 60)
    assert not tracker.is_heard("h0", "monitor")
    assert tracker.is_heard(f"h{MAX_HOSTS + 4}", "monitor")
    assert len(tracker.find_silent(NOW + 120)) == MAX_HOSTS
