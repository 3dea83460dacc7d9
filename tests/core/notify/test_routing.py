"""Which channel gets which notification, and when."""

import pytest

from hemostat.core.notify.routing import (
    SentMessage,
    allot_messages,
    compute_due_time,
    compute_quiet_seconds,
    find_common_project,
    is_incident_selected,
    is_topic_selected,
    pack_messages,
)
from hemostat.core.settings.alert import AlertSettings, Channel, Exclusion, Topic, find_alert_mistakes
from hemostat.events import Kind, Severity
from tests.support.notifications import make_notification

NIGHT = AlertSettings(quiet="22:00-07:00")
HOUR = 3600.0


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (Channel(), True),
        (Channel(severity=Severity.CRITICAL), False),
        (Channel(kinds=(Kind.EXITED,)), True),
        (Channel(kinds=(Kind.OOM,)), False),
        (Channel(projects=("sh*",)), True),
        (Channel(projects=("blog",)), False),
        (Channel(hosts=("h?",)), False),
        (Channel(hosts=("x", "h")), True),
        (Channel(containers=("web*",)), True),
        (Channel(containers=("db",)), False),
        (Channel(exclusion=Exclusion(projects=("sh*",))), False),
        (Channel(exclusion=Exclusion(projects=("blog",))), True),
        (Channel(containers=("w*",), exclusion=Exclusion(containers=("web",))), False),
        (Channel(exclusion=Exclusion(hosts=("h",))), False),
        (Channel(exclusion=Exclusion(kinds=(Kind.EXITED,))), False),
    ],
)
def test_channel_selects_by_topic_and_origin(channel, expected):
    assert is_incident_selected(channel, make_notification(Topic.OPENED, project="shop")) is expected


def test_system_troubles_have_no_kind_or_project():
    gone = make_notification(Topic.GONE, kind="", severity=Severity.CRITICAL)
    assert is_incident_selected(Channel(kinds=(Kind.OOM,), projects=("shop",)), gone)
    assert not is_incident_selected(Channel(hosts=("other",)), gone)
    assert is_incident_selected(Channel(exclusion=Exclusion(projects=("*",), containers=("*",))), gone)
    assert not is_incident_selected(Channel(exclusion=Exclusion(hosts=("h",))), gone)


def test_topics_select_notifications():
    assert is_topic_selected(Channel(), Topic.HEALED)
    assert not is_topic_selected(Channel(topics=(Topic.ESCALATED,)), Topic.HEALED)
    assert not is_topic_selected(Channel(exclusion=Exclusion(topics=(Topic.HEALED,))), Topic.HEALED)


def test_only_transient_topics_wait_for_the_grace():
    alerting = AlertSettings(grace=30.0)
    opened, failed = make_notification(Topic.OPENED), make_notification(Topic.FAILED)
    assert compute_due_time(alerting, opened) == opened.time + 30
    assert compute_due_time(alerting, failed) == failed.time


@pytest.mark.parametrize(
    ("hour", "left"), [(21.9, 0.0), (22.0, 9.0), (23.5, 7.5), (0.0, 7.0), (6.5, 0.5), (7.0, 0.0), (12.0, 0.0)]
)
def test_quiet_hours_may_cross_midnight(hour, left):
    assert compute_quiet_seconds(NIGHT, make_notification(Topic.HEALED), hour * HOUR) == pytest.approx(
        left * HOUR
    )


def test_critical_topics_ignore_quiet_hours_if_configured():
    bad = make_notification(Topic.ESCALATED, severity=Severity.CRITICAL)
    assert compute_quiet_seconds(NIGHT, bad, 0.0) == 0
    assert compute_quiet_seconds(NIGHT, make_notification(Topic.ESCALATED), 0.0) > 0
    assert compute_quiet_seconds(NIGHT, make_notification(Topic.HEALED, severity=Severity.CRITICAL), 0.0) > 0
    assert compute_quiet_seconds(AlertSettings(quiet="22:00-07:00", quiet_critical=False), bad, 0.0) > 0


@pytest.mark.parametrize(
    ("sent", "waiting", "expected"),
    [
        ([], 3, (3, False)),
        ([], 4, (2, True)),
        ([100.0], 2, (2, False)),
        ([100.0, 101.0], 2, (0, True)),
        ([100.0, 101.0, 102.0], 1, (0, False)),
        ([10.0, 11.0, 12.0], 1, (1, False)),
        ([], 0, (0, False)),
    ],
)
def test_messages_above_the_rate_are_one_digest(sent, waiting, expected):
    assert allot_messages(sent, waiting, 3, 110.0) == expected


@pytest.mark.parametrize(
    ("alerting", "table", "key", "why"),
    [
        (AlertSettings(channels={"a b": Channel(url="x://")}), "alert.channels", "a b", "is not a name"),
        (AlertSettings(channels={"ops": Channel()}), "alert.channels", "ops", "neither"),
        (
            AlertSettings(channels={"ops": Channel(url="a://", url_file="f")}),
            "alert.channels",
            "ops.url_file",
            "combined",
        ),
        (AlertSettings(templates={"heeled": "x"}), "alert.templates", "heeled", "is not a topic"),
        (AlertSettings(templates={"healed": "{who}"}), "alert.templates", "healed", "names {who}"),
    ],
)
def test_configuration_error_names_its_key(alerting, table, key, why):
    ((where, what, told),) = find_alert_mistakes(alerting)
    assert (where, what) == (table, key)
    assert why in told


def test_channel_slack_needs_no_url():
    assert not list(find_alert_mistakes(AlertSettings(channels={"slack": Channel(hosts=("db*",))})))


@pytest.mark.parametrize(
    ("of_day", "seconds"),
    [(22 * HOUR, 9 * HOUR), (22 * HOUR - 1, 0.0), (7 * HOUR - 1, 1.0), (7 * HOUR, 0.0), (0.0, 7 * HOUR)],
)
def test_quiet_hours_include_their_beginning_and_not_their_end(of_day, seconds):
    assert compute_quiet_seconds(NIGHT, make_notification(Topic.OPENED), of_day) == seconds


def test_quiet_hours_count_minutes():
    lunch = AlertSettings(quiet="12:15-13:45")
    assert compute_quiet_seconds(lunch, make_notification(Topic.OPENED), 12.5 * HOUR) == 1.25 * HOUR


# --- the rate of messages ---------------------------------------------------------------------------


def pack(*notifications, per_minute: int = 4, earlier=(), **fields):
    """The incidents of each message, and those that wait. Names say the project before the number."""
    notified = [
        make_notification(
            Topic.FAILED if each[-1] == "!" else Topic.OPENED, n, incident=each, project=each[0]
        )
        for n, each in enumerate(notifications)
    ]
    messages = [SentMessage(100.0 - age, project) for age, project in earlier]
    packed, waiting = pack_messages(notified, messages, per_minute, 100.0, **fields)
    return [[each.incident for each in parcel] for parcel in packed], [each.incident for each in waiting]


def test_messages_within_the_rate_go_out_singly():
    assert pack("a1", "a2", "a3", "a4") == ([["a1"], ["a2"], ["a3"], ["a4"]], [])


def test_messages_beyond_the_rate_go_out_as_one():
    assert pack("a1", "a2", "a3", "a4", "a5") == ([["a1"], ["a2"], ["a3"], ["a4", "a5"]], [])
    assert pack("a1", "a2", earlier=[(59.9, "a")] * 3) == ([["a1", "a2"]], [])


def test_messages_wait_when_the_minute_is_used():
    assert pack("a1", "a2", earlier=[(59.9, "a")] * 4) == ([], ["a1", "a2"])
    assert pack("a1", earlier=[(60.0, "a")] * 4) == ([["a1"]], [])
    assert pack("a1", earlier=[(-1.0, "a")] * 4) == ([["a1"]], []), "the clock was set back"


def test_incidents_that_need_people_come_first():
    assert pack("a1", "a2", "a3!", last=["a1"])[0] == [["a3!"], ["a2"], ["a1"]]


def test_projects_take_turns():
    assert pack("a1", "a2", "b1", "b2")[0] == [["a1"], ["b1"], ["a2"], ["b2"]]


def test_project_of_a_shared_channel_has_half_of_the_rate():
    packed, waiting = pack("a1", "a2", "a3", "b1", shared=True)
    assert (packed, waiting) == ([["a1"], ["b1"], ["a2", "a3"]], [])
    packed, waiting = pack("a1", "b1", shared=True, earlier=[(1.0, "a")] * 2)
    assert (packed, waiting) == ([["b1"]], ["a1"])
    packed, waiting = pack("a1", "b1", shared=True, earlier=[(1.0, "c")] * 4)
    assert (packed, sorted(waiting)) == ([], ["a1", "b1"])


def test_common_project_is_that_of_all_notifications():
    shop, blog = (make_notification(Topic.OPENED, project=name) for name in ("shop", "blog"))
    assert find_common_project([shop, shop]) == "shop"
    assert find_common_project([shop, blog]) is None
