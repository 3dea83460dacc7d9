"""Whether HemoStat itself is well."""

import pytest

from hemostat.adapters.redis.controls import FALLBACK_PAUSE
from hemostat.core.ledger.controls import ALL_CONTAINERS, Controls, Pause
from hemostat.core.notify.self_monitoring import (
    BUS_NAME,
    LOST_DATA_PREFIX,
    MAX_HOSTS,
    MAX_NOTIFICATIONS,
    MAX_UNSEEN_SECONDS,
    SelfMonitoringState,
    format_unreadable_rows,
    observe_heartbeats,
    update_and_notify,
)
from hemostat.core.settings.alert import Topic
from hemostat.heartbeat import bound_heartbeat
from tests.support.samples import NOW, event, heartbeat

ROLES = ("monitor", "alert")
UNREADABLE_PAUSE = Controls(pauses={ALL_CONTAINERS: FALLBACK_PAUSE}).describe_unreadable_pauses(NOW)


def beats(*places: tuple[str, str], trouble: str = ""):
    return [event(heartbeat(role, trouble=trouble), host=host) for role, host in places]


BOTH = beats(("monitor", "a"), ("alert", "a"))


def told(vigil: SelfMonitoringState, gone: dict[str, str], now: float):
    vigil, words = update_and_notify(vigil, gone, now, after=60.0, host="a")
    return vigil, [(each.topic, each.container) for each in words]


def test_system_is_healthy_while_all_roles_send_heartbeats():
    vigil, gone = observe_heartbeats(SelfMonitoringState(), BOTH, ROLES, 0.0)
    assert gone == {}
    assert update_and_notify(vigil, gone, 0.0, after=60.0, host="a")[0].is_well


def test_role_without_heartbeat_is_lost():
    _, gone = observe_heartbeats(SelfMonitoringState(), beats(("alert", "a")), ROLES, 0.0)
    assert gone == {"monitor": "no monitor is running"}


def test_role_is_missed_on_its_host():
    vigil, _ = observe_heartbeats(SelfMonitoringState(), [*BOTH, *beats(("monitor", "b"))], ROLES, 0.0)
    vigil, gone = observe_heartbeats(vigil, BOTH, ROLES, 10.0)
    assert list(gone) == ["monitor on b"]
    _, gone = observe_heartbeats(vigil, BOTH, ROLES, 10.0 + MAX_UNSEEN_SECONDS)
    assert gone == {}


def test_engine_is_lost_when_a_monitor_reports_it():
    ill = beats(("monitor", "a"), trouble="no engine") + beats(("alert", "a"), trouble="paused")
    _, gone = observe_heartbeats(SelfMonitoringState(), ill, ROLES, 0.0)
    assert gone == {"engine of a": "no engine"}


@pytest.mark.parametrize("trouble", [format_unreadable_rows(1), format_unreadable_rows(7), UNREADABLE_PAUSE])
def test_unreadable_rows_are_notified(trouble):
    alive = beats(("responder", "a"), trouble=trouble) + beats(("alert", "a"))
    vigil, gone = observe_heartbeats(SelfMonitoringState(), alive, ("responder", "alert"), 0.0)
    assert gone == {"data in Redis of a": trouble}
    vigil, _ = told(vigil, gone, 0.0)
    vigil, words = told(vigil, gone, 60.0)
    assert words == [(Topic.GONE, "data in Redis of a")]
    assert told(vigil, gone, 120.0)[1] == []
    assert told(vigil, {}, 130.0)[1] == [(Topic.BACK, "data in Redis of a")]


@pytest.mark.parametrize("words", [format_unreadable_rows(1), UNREADABLE_PAUSE, f"{LOST_DATA_PREFIX}; x"])
def test_label_in_an_error_of_the_engine_names_no_data(words):
    quoting = beats(("responder", "a"), trouble=f"inspect service {words}; {words}: HTTP 503")
    assert observe_heartbeats(SelfMonitoringState(), quoting, ["responder"], NOW)[1] == {}


def test_unreadable_pause_after_another_one_is_notified():
    pauses = {"api": Pause(by="ann", at=NOW, reason="release"), "web": FALLBACK_PAUSE}
    trouble = Controls(pauses=pauses).describe_unreadable_pauses(NOW)
    alive = beats(("responder", "a"), trouble=trouble)
    assert list(observe_heartbeats(SelfMonitoringState(), alive, ["responder"], NOW)[1]) == [
        "data in Redis of a"
    ]


@pytest.mark.parametrize("reason", ["release\nof today", "a long story " * 100])
def test_unreadable_pause_is_notified_whatever_other_reasons_say(reason):
    pauses = {"api": Pause(by="ann", at=NOW, reason=reason), "web": FALLBACK_PAUSE}
    trouble = Controls(pauses=pauses).describe_unreadable_pauses(NOW)
    sent = bound_heartbeat(heartbeat("responder", trouble=trouble))
    alive = [event(sent, host="a")]
    assert list(observe_heartbeats(SelfMonitoringState(), alive, ["responder"], NOW)[1]) == [
        "data in Redis of a"
    ]


def test_pause_whose_reason_says_cannot_be_read_is_not_notified():
    pauses = {ALL_CONTAINERS: Pause(by="ann", at=NOW, reason="the disk cannot be read")}
    alive = beats(("responder", "a"), trouble=Controls(pauses=pauses).describe_unreadable_pauses(NOW))
    assert observe_heartbeats(SelfMonitoringState(), alive, ["responder"], NOW)[1] == {}


def test_unreadable_pause_after_a_pause_of_all_is_notified():
    pauses = {ALL_CONTAINERS: Pause(by="ann", at=NOW, reason="a\nb, c; d"), "web": FALLBACK_PAUSE}
    alive = beats(("responder", "a"), trouble=Controls(pauses=pauses).describe_unreadable_pauses(NOW))
    assert list(observe_heartbeats(SelfMonitoringState(), alive, ["responder"], NOW)[1]) == [
        "data in Redis of a"
    ]


def test_long_loss_and_return_are_notified_once():
    vigil, words = told(SelfMonitoringState(), {BUS_NAME: "refused"}, 0.0)
    assert words == []
    assert not vigil.is_well
    assert vigil.announced_trouble == ""
    vigil, words = told(vigil, {BUS_NAME: "refused"}, 59.0)
    assert words == []
    vigil, words = told(vigil, {BUS_NAME: "refused"}, 60.0)
    assert words == [(Topic.GONE, BUS_NAME)]
    assert vigil.announced_trouble == "refused"
    vigil, words = told(vigil, {BUS_NAME: "refused"}, 120.0)
    assert words == []
    vigil, words = told(vigil, {}, 130.0)
    assert words == [(Topic.BACK, BUS_NAME)]
    assert vigil.is_well


def test_short_loss_is_not_notified():
    vigil, _ = told(SelfMonitoringState(), {BUS_NAME: "refused"}, 0.0)
    vigil, words = told(vigil, {}, 30.0)
    assert words == []
    vigil, words = told(vigil, {BUS_NAME: "refused"}, 70.0)
    assert words == []


def test_clock_set_back_delays_for_a_bounded_time():
    vigil, _ = told(SelfMonitoringState(), {BUS_NAME: "refused"}, 5000.0)
    vigil, _ = told(vigil, {BUS_NAME: "refused"}, 0.0)
    assert told(vigil, {BUS_NAME: "refused"}, 60.0)[1] == [(Topic.GONE, BUS_NAME)]


@pytest.mark.parametrize(
    ("trouble", "name"),
    [("Redis at x does not allow this to user m", "Redis"), ("no Docker Engine answers", "engine of h")],
)
def test_trouble_of_a_monitor_names_its_subject(trouble, name):
    beats = [event(heartbeat("monitor", trouble=trouble))]
    assert observe_heartbeats(SelfMonitoringState(), beats, ["monitor"], NOW)[1] == {name: trouble}


def test_only_audit_trouble_of_the_store_role_is_notified():
    trouble = "slack: it waits; the audit trail was replaced: see hemostat audit verify; 3 events wait"
    beats = [event(heartbeat("alert", trouble=trouble))]
    told = {"the audit trail of h": "the audit trail was replaced: see hemostat audit verify"}
    assert observe_heartbeats(SelfMonitoringState(), beats, ["alert"], NOW)[1] == told


def test_invented_hosts_cannot_flood_the_channels():
    """Each Redis user of a role may send heartbeats of any host, of any size."""
    vigil, words, now = SelfMonitoringState(), [], NOW
    for turn in range(20):
        now += 2.0
        crowd = beats(*(("alert", f"{turn % 7}-{n}" + "x" * 1000) for n in range(300)), trouble="y" * 9000)
        vigil, gone = observe_heartbeats(vigil, [*BOTH, *crowd, *beats(("alert@x", "a"))], ROLES, now)
        vigil, more = update_and_notify(vigil, gone, now, after=4.0, host="a")
        words += more
    assert 0 < len(words) <= MAX_NOTIFICATIONS
    assert len(vigil.seen) <= 2 * MAX_HOSTS
    assert max(len(host) for _, host in vigil.seen) <= 255
    assert ("alert@x", "a") not in vigil.seen
    vigil, gone = observe_heartbeats(vigil, [*BOTH, *beats(("alert", "late"))], ROLES, now)
    assert {"monitor", "alert"}.isdisjoint(gone)
    vigil, gone = observe_heartbeats(vigil, beats(("alert", "a")), ROLES, now)
    vigil, _ = update_and_notify(vigil, gone, now, after=4.0, host="a")
    _, words = update_and_notify(vigil, gone, now + 4, after=4.0, host="a")
    assert [each.container for each in words] == ["monitor"]


def test_hosts_beyond_the_limit_are_named_in_one_notification():
    names = [f"monitor on {n}" for n in range(30)]
    vigil, words = told(SelfMonitoringState(), dict.fromkeys(names, "gone"), 0.0)
    vigil, words = told(vigil, dict.fromkeys(names, "gone"), 60.0)
    assert words == [*((Topic.GONE, name) for name in names[:9]), (Topic.GONE, "roles of several hosts")]
    vigil, words = told(vigil, dict.fromkeys([*names, "monitor on 31"], "gone"), 62.0)
    vigil, words = told(vigil, dict.fromkeys([*names, "monitor on 31"], "gone"), 130.0)
    assert words == []
    vigil, words = told(vigil, dict.fromkeys([*names, "monitor on 31"], "gone"), 661.0)
    assert words == [(Topic.GONE, "monitor on 31")]
