"""What the dashboard knows after what it was told."""

import msgspec

from hemostat.cli.status.status_tables import format_headline
from hemostat.core.history.status import build_status
from hemostat.core.history.waiting_list import count_unacknowledged, list_waiting
from hemostat.events import Outcome, Word
from hemostat.streams import ROLES_BY_NAME
from hemostat.tui.data.state import (
    LARGE_LAG_EVENTS,
    MAX_LOG_EVENTS,
    SILENT_SECONDS,
    DashboardState,
    FeedUpdate,
    apply_update,
    build_full_status,
    build_role_status,
    describe_silence,
    drop_brief_lags,
    list_open_incidents,
    list_waiting_items,
    select_events,
)
from tests.support.approvals import PENDING_APPROVAL
from tests.support.samples import ALL, NOW, alert, complete, decided, event, heartbeat, needed, stats

OPENED = DashboardState(heard=NOW)


def after(*events, at: float = 5.0) -> DashboardState:
    return apply_update(OPENED, FeedUpdate(events), NOW + at)


def test_event_from_history_and_subscription_is_shown_once():
    once = after(*ALL)
    assert apply_update(once, FeedUpdate(ALL), NOW + 5).log == once.log
    assert [each.type for each in once.log] == [
        "health_alert",
        "remediation_needed",
        "false_alarm",
        "remediation_complete",
        "order",
        "decision",
    ]


def test_log_is_ordered_by_time():
    late, early = event(complete(), 3.0), event(alert(), 1.0)
    assert after(late, early).log == (early, late)


def test_the_log_keeps_the_newest():
    many = [event(alert(since=NOW + number), number / 100) for number in range(MAX_LOG_EVENTS + 50)]
    assert after(*many).log == tuple(many[50:])


def test_silent_container_disappears():
    shown = after(event(stats(), 4.0))
    assert len(build_full_status(shown, NOW + 5).containers) == 1
    assert apply_update(shown, FeedUpdate(), NOW + 60).stats == {}


def test_restarted_role_is_listed_once():
    old, new = event(heartbeat(instance="h-1"), 1.0), event(heartbeat(instance="h-2"), 4.0)
    roles = build_full_status(after(old, new), NOW + 5).roles
    assert [role.instance for role in roles] == ["h-2"]


def test_silent_role_is_stale_and_absent_role_missing():
    picture = build_full_status(after(event(heartbeat(), 0.0)), NOW + 60)
    assert picture.roles[0].stale
    assert picture.missing == ("analyzer", "responder", "alert")


def lags(*told: int, trouble: str = "") -> list[int]:
    """What is said of an analyzer's lag after each heartbeat."""
    state, said = OPENED, []
    for number, lag in enumerate(told):
        state = apply_update(
            state,
            FeedUpdate((event(heartbeat("analyzer", lag=lag, trouble=trouble), 2.0 * number),)),
            NOW + 9,
        )
        said.append(drop_brief_lags(state, build_role_status(state, NOW + 2 * number)).roles[0].lag)
    return said


def test_lag_is_reported_if_lasting_or_large():
    assert lags(1, 0, 2, 1, 0) == [0] * 5
    assert lags(1, 3, 1, 2, 0, 1) == [0, 0, 0, 2, 0, 0]
    assert lags(LARGE_LAG_EVENTS, 5) == [LARGE_LAG_EVENTS, 0]
    assert lags(2, trouble="Redis waits") == [2]


def test_silence_is_reported_until_the_next_event():
    assert describe_silence(OPENED, NOW + SILENT_SECONDS - 1) == ""
    told = describe_silence(OPENED, NOW + 12)
    assert told == "HemoStat is not running: hemostat all (silent for 12 s)"
    assert describe_silence(after(event(heartbeat(), 12.0), at=12.0), NOW + 12.5) == ""


def test_events_of_the_history_do_not_end_the_silence():
    assert describe_silence(after(event(alert(), -3600.0), at=0.0), NOW + 12)


def test_lost_bus_is_reported_until_it_is_back():
    lost = apply_update(OPENED, FeedUpdate(lost="Redis is gone"), NOW)
    said = describe_silence(lost, NOW)
    assert said == "HemoStat is not running, or its Redis: hemostat all; retrying: Redis is gone"
    assert describe_silence(apply_update(lost, FeedUpdate(), NOW + 1), NOW + 1) == ""


def test_log_can_be_limited_to_one_container():
    other = msgspec.structs.replace(alert().container, name="other")
    mine, others = event(alert(), 1.0), event(alert(container=other), 2.0)
    assert select_events((mine, others), "h", "other") == [others]


def test_dashboard_status_and_waiting_list_count_alike():
    beats = [event(heartbeat(name), 4.0) for name in ROLES_BY_NAME if name != "analyzer"]
    events = [
        event(alert(), 1.0, incident="acting"),
        event(needed(), 1.1, incident="acting"),
        event(alert(), 1.0, incident="left"),
        event(complete(outcome=Outcome.ESCALATED), 1.1, incident="left"),
        event(alert(), 1.0, incident="taken"),
        event(complete(outcome=Outcome.FAILED), 1.1, incident="taken"),
        event(decided(what=Word.ACKNOWLEDGED, by="ann"), 1.2, incident="taken"),
        event(alert(), 1.0, incident="asked"),
        event(complete(outcome=Outcome.AWAITING_APPROVAL), 1.1, incident="asked"),
        event(alert(), 1.0, incident="closed"),
        event(decided(what=Word.CLOSED, by="ann"), 1.2, incident="closed"),
    ]
    approval = msgspec.structs.replace(PENDING_APPROVAL, incident="asked", until=NOW + 900)
    status = build_status(beats, (), events, expected=tuple(ROLES_BY_NAME), now=NOW + 5)
    commands = {role.name: role.command for role in ROLES_BY_NAME.values()}
    listed = list_waiting(status, [approval], commands=commands, dead_letters=None, now=NOW + 5)
    state = after(*beats, *events)
    assert len(list_open_incidents(state)) == len(status.incidents) == 4
    counts = [
        count_unacknowledged(items)
        for items in (
            listed,
            list_waiting_items(state, NOW + 5),
            list_waiting_items(state, NOW + 5, [approval]),
        )
    ]
    assert counts == [3, 3, 3]
    assert f"{len(status.incidents)} open incidents" in format_headline(status, counts[0])
    assert "3 wait for you" in format_headline(status, counts[0])
