"""Which channel gets which notification, and when."""

import pytest

from hemostat.core.notify.routing import (
    allot_messages,
    compute_due_time,
    compute_quiet_seconds,
    is_incident_selected,
    is_topic_selected,
)
from hemostat.core.settings.alert import AlertSettings, Channel, Topic, find_alert_mistakes
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
    ],
)
def test_channel_selects_by_topic_and_origin(channel, expected):
    assert is_incident_selected(channel, make_notification(Topic.OPENED, project="shop")) is expected


def test_system_troubles_have_no_kind_or_project():
    gone = make_notification(Topic.GONE, kind="", severity=Severity.CRITICAL)
    assert is_incident_selected(Channel(kinds=(Kind.OOM,), projects=("shop",)), gone)
    assert not is_incident_selected(Channel(hosts=("other",)), gone)


def test_topics_select_notifications():
    assert is_topic_selected(Channel(), Topic.HEALED)
    assert not is_topic_selected(Channel(topics=(Topic.ESCALATED,)), Topic.HEALED)


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
