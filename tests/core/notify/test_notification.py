"""The notifications of an incident: one thread, whose latest notification waits."""

from itertools import permutations

import pytest

from hemostat.core.notify.notification import (
    LastNotification,
    Notification,
    build_notification,
    merge,
    should_notify,
)
from hemostat.core.settings.alert import Topic
from hemostat.events import Action, Container, Diagnosis, FalseAlarm, Kind, Outcome, Reason, Severity, Word
from tests.support.notifications import make_notification
from tests.support.samples import ALL, CLEARED, DIAGNOSIS, NOW, alert, complete, decided, event, order


def told_of(*topics: Topic) -> list[Topic]:
    """What a channel hears that is always free, of words that come one after the other."""
    heard: list[Topic] = []
    last = None
    for number, topic in enumerate(topics):
        each = make_notification(topic, float(number))
        if should_notify(each, last):
            heard.append(topic)
            last = LastNotification(topic, each.time)
    return heard


def left_of(*topics: Topic) -> Notification:
    """What waits of words that came one after the other."""
    waiting = None
    for number, topic in enumerate(topics):
        waiting = merge(
            waiting, make_notification(topic, float(number), what=f"what {number}", done=f"done {number}")
        )
    return waiting


def test_last_values_and_requests_are_not_notified():
    assert [each.type for each in ALL if build_notification(each)] == [
        "health_alert",
        "false_alarm",
        "remediation_complete",
        "decision",
    ]
    assert build_notification(event(complete(outcome=Outcome.WAITING, reason=Reason.BUDGET_SPENT))) is None


def test_remediation_notification_has_all_facts():
    shop = Container(id="c", name="web", labels={"com.docker.compose.project": "shop"})
    assert build_notification(event(complete(container=shop, alert=alert()))) == Notification(
        incident="i1",
        topic=Topic.HEALED,
        time=NOW,
        host="h",
        container="web",
        severity=Severity.CRITICAL,
        kind="exited",
        project="shop",
        what="exited with code 1",
        cause="crash (rules, 90%): exit code 1; nobody asked for it",
        action="restart",
        done="restarted, healed in 3.1 s",
        took=3.1,
    )


@pytest.mark.parametrize(
    ("told", "topic", "people"),
    [
        (alert(), Topic.OPENED, False),
        (CLEARED, Topic.OVER, False),
        (FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), Topic.OVER, False),
        (complete(), Topic.HEALED, False),
        (complete(outcome=Outcome.FAILED, reason=Reason.NOT_VERIFIED), Topic.FAILED, True),
        (complete(outcome=Outcome.REFUSED, reason=Reason.PROTECTED), Topic.REFUSED, True),
        (complete(outcome=Outcome.ESCALATED, action=Action.NONE), Topic.ESCALATED, True),
        (complete(outcome=Outcome.AWAITING_APPROVAL, reason=Reason.APPROVAL), Topic.APPROVAL, True),
        (complete(outcome=Outcome.EXPIRED, reason=Reason.EXPIRED), Topic.EXPIRED, True),
        (complete(outcome=Outcome.DRY_RUN, reason=Reason.DRY_RUN), Topic.DRY_RUN, False),
        (complete(outcome=Outcome.NOT_APPLICABLE, reason=Reason.RECOVERED), Topic.OVER, False),
    ],
)
def test_every_change_of_an_incident_has_a_topic(told, topic, people):
    found = build_notification(event(told))
    assert (found.topic, found.needs_people) == (topic, people)


def test_order_notification_names_the_operator():
    ordered = Diagnosis(cause="ordered", confidence=1.0, advisor="ann@h")
    refused = complete(kind=Kind.ORDERED, diagnosis=ordered, outcome=Outcome.REFUSED, reason=Reason.PAUSED)
    found = build_notification(event(refused))
    assert (found.topic, found.cause, found.needs_people) == (Topic.DECIDED, "ordered by ann@h", False)
    assert build_notification(event(order())) is None


def test_rejected_action_does_not_need_a_person():
    rejected = complete(outcome=Outcome.REFUSED, reason=Reason.REJECTED)
    assert build_notification(event(rejected)).topic is Topic.DECIDED


def test_pause_is_notified_and_answer_with_its_result():
    paused = build_notification(event(decided(container="*"), incident=None))
    assert (paused.topic, paused.container) == (Topic.DECIDED, "everything")
    assert "ann@h" in paused.done
    assert build_notification(event(decided(what=Word.APPROVED), incident="i1")) is None


def test_severity_depends_on_the_kind():
    assert build_notification(event(complete(kind=Kind.CPU_HIGH))).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("topics", "left"),
    [
        ([Topic.OPENED, Topic.HEALED], Topic.HEALED),
        ([Topic.OPENED, Topic.HEALED, Topic.OVER], Topic.HEALED),
        ([Topic.OPENED, Topic.OVER], Topic.OVER),
        ([Topic.OPENED, Topic.FAILED, Topic.ESCALATED], Topic.ESCALATED),
        ([Topic.ESCALATED, Topic.OPENED], Topic.ESCALATED),
        ([Topic.APPROVAL, Topic.HEALED], Topic.HEALED),
        ([Topic.HEALED, Topic.OPENED], Topic.OPENED),
    ],
)
def test_latest_notification_is_pending_unless_less_severe(topics, left):
    assert left_of(*topics).topic is left


def test_late_event_changes_nothing():
    assert merge(make_notification(Topic.HEALED, 3.0), make_notification(Topic.OPENED)).topic is Topic.HEALED


ENDS = (Topic.HEALED, Topic.ESCALATED, Topic.FAILED, Topic.OVER)


@pytest.mark.parametrize("topics", [(Topic.OPENED, first, second) for first in ENDS for second in ENDS])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_order_of_arrival_does_not_matter(topics, order):
    """Each stream is in order, and several are read at once: the end may be read before the action."""
    waiting = None
    for number in order:
        each = make_notification(topics[number], float(number), done=f"done {number}")
        waiting = merge(waiting, each)
    left = left_of(*topics)
    assert (waiting.topic, waiting.time, waiting.aloud) == (left.topic, left.time, left.aloud)


def test_healed_notification_names_the_fault():
    assert left_of(Topic.OPENED, Topic.OVER).what == "what 0"
    assert (
        merge(make_notification(Topic.OPENED, what="exit code 7"), make_notification(Topic.HEALED, 1.0)).what
        == "exit code 7"
    )


def test_escalated_then_cleared_names_both():
    left = left_of(Topic.ESCALATED, Topic.OVER)
    assert (left.topic, left.done) == (Topic.OVER, "done 0")
    assert should_notify(left, None)


@pytest.mark.parametrize("first", [Topic.ESCALATED, Topic.HEALED])
def test_end_is_notified_after_a_repeated_alert(first):
    assert should_notify(left_of(first, Topic.OPENED, Topic.OVER), None)


def test_self_cleared_incident_is_not_notified():
    assert not should_notify(left_of(Topic.OPENED, Topic.OVER), None)


@pytest.mark.parametrize(
    ("topics", "heard"),
    [
        ([Topic.OPENED, Topic.HEALED, Topic.OVER], [Topic.OPENED, Topic.HEALED]),
        ([Topic.OPENED, Topic.OVER], [Topic.OPENED, Topic.OVER]),
        ([Topic.HEALED, Topic.OVER], [Topic.HEALED]),
        ([Topic.HEALED, Topic.HEALED], [Topic.HEALED]),
        ([Topic.FAILED, Topic.FAILED, Topic.ESCALATED], [Topic.FAILED, Topic.ESCALATED]),
        ([Topic.ESCALATED, Topic.OPENED, Topic.OVER], [Topic.ESCALATED, Topic.OVER]),
        ([Topic.HEALED, Topic.OPENED, Topic.HEALED], [Topic.HEALED, Topic.OPENED, Topic.HEALED]),
    ],
)
def test_channel_gets_only_new_topics(topics, heard):
    assert told_of(*topics) == heard


def test_repeated_topic_is_not_notified():
    healed = make_notification(Topic.HEALED)
    assert not should_notify(healed, LastNotification(Topic.HEALED, healed.time))
    assert not should_notify(make_notification(Topic.FAILED), LastNotification(Topic.HEALED, healed.time))
