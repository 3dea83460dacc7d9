"""What waits for a person, and in which order."""

import shlex

import msgspec
import pytest

from hemostat.core.history.status import build_status
from hemostat.core.history.waiting_list import (
    DeadLetterSummary,
    WaitingKind,
    count_unacknowledged,
    list_waiting,
)
from hemostat.core.labels.container_ref import build_reference
from hemostat.events import Kind, Outcome, Reason, Word
from hemostat.streams import ROLES, ROLES_BY_NAME
from tests.support.approvals import PENDING_APPROVAL
from tests.support.samples import NOW, alert, complete, decided, event, heartbeat

BEATS = [event(heartbeat(role.name), 0) for role in ROLES]
COMMANDS = {role.name: role.command for role in ROLES}


def look(*history, beats=BEATS, approvals=(), dead_letters=None, after=1.0):
    status = build_status(beats, (), history, expected=tuple(ROLES_BY_NAME), now=NOW + after)
    return list_waiting(status, approvals, commands=COMMANDS, dead_letters=dead_letters, now=NOW + after)


def left(incident: str, at: float, **outcome):
    return [
        event(alert(), at, incident=incident),
        event(complete(**{"outcome": Outcome.ESCALATED, **outcome}), at + 0.5, incident=incident),
    ]


def test_nothing_waits_in_a_healthy_system():
    assert look(event(alert()), event(complete())) == ()


def test_incident_that_is_still_acted_on_does_not_wait():
    assert look(event(alert()), event(complete(outcome=Outcome.WAITING))) == ()


def test_approval_comes_first_and_dead_letters_last():
    letters = DeadLetterSummary(NOW, "1 event could not be handled")
    items = look(*left("i", 0), approvals=[PENDING_APPROVAL], dead_letters=letters, beats=BEATS[1:])
    assert [item.kind for item in items] == [
        WaitingKind.APPROVAL,
        WaitingKind.ROLE,
        WaitingKind.ESCALATED,
        WaitingKind.DEAD_LETTERS,
    ]
    assert [item.command for item in items] == [
        f"hemostat approve {PENDING_APPROVAL.id}",
        "hemostat monitor",
        "hemostat close i",
        "hemostat doctor",
    ]


def test_expired_approval_does_not_wait():
    expired = msgspec.structs.replace(PENDING_APPROVAL, until=NOW + 1)
    assert look(approvals=[expired]) == ()


def test_older_incident_comes_first_and_acknowledged_one_last():
    taken = event(decided(what=Word.ACKNOWLEDGED, by="ann"), 3, incident="a")
    items = look(*left("c", 2), *left("b", 1), *left("a", 0), taken)
    assert [item.id for item in items] == ["b", "c", "a"]
    assert items[-1].acknowledged_by == "ann"
    assert count_unacknowledged(items) == 2


def test_refusal_by_an_open_breaker_is_settled_by_a_reset():
    refused = {"outcome": Outcome.REFUSED, "reason": Reason.BREAKER_OPEN}
    (item,) = look(*left("i", 0, **refused))
    assert (item.kind, item.command) == (WaitingKind.REFUSED, "hemostat reset --container web")


def test_refusal_by_a_window_waits_for_no_person():
    assert look(*left("i", 0, outcome=Outcome.REFUSED, reason=Reason.PAUSED)) == ()


def test_why_is_the_last_event_before_the_acknowledgement():
    taken = event(decided(what=Word.ACKNOWLEDGED), 3, incident="i")
    (item,) = look(*left("i", 0, reason=Reason.NEEDS_PERSON), taken)
    assert item.why.startswith(str(Kind.EXITED))
    assert "over to you" in item.why


def test_role_with_trouble_waits_for_a_check():
    beats = [*BEATS[:3], event(heartbeat("alert", trouble="slack: 404"), 0)]
    (item,) = look(beats=beats)
    assert (item.subject, item.why, item.command) == ("alert", "slack: 404", "hemostat doctor")


@pytest.mark.parametrize(
    ("trouble", "command"),
    [
        ("paused by ann", "hemostat resume"),
        ("web paused by ann@h for 59 min", "hemostat resume --container web"),
        ("-x;y paused by ann", "hemostat doctor"),
        ("* paused by ann", "hemostat doctor"),
        (" paused by ann", "hemostat doctor"),
        ("web: log paused by ann", "hemostat doctor"),
    ],
)
def test_pause_is_settled_by_a_resume(trouble, command):
    beats = [*BEATS[:3], event(heartbeat("alert", trouble=trouble), 0)]
    (item,) = look(beats=beats)
    assert item.command == command


def test_silent_role_is_started_again_on_its_host():
    beats = [*BEATS[:3], event(heartbeat("alert"), -60)]
    (item,) = look(beats=beats)
    assert (item.kind, item.host, item.command) == (WaitingKind.ROLE, "h", "hemostat alert")
    assert item.since == NOW - 60


def test_host_without_heartbeats_is_one_item():
    (item,) = look(after=600.0)
    assert (item.kind, item.subject, item.why) == (WaitingKind.HOST, "h", "no heartbeat for 10 min")


def test_system_that_does_not_run_is_one_item():
    (item,) = look(beats=())
    assert (item.subject, item.command) == ("HemoStat", "hemostat all")


def test_heartbeat_of_an_unknown_role_is_no_error():
    items = look(beats=[*BEATS, event(heartbeat("stranger"), -60)])
    assert [item.command for item in items] == ["hemostat all"]


@pytest.mark.parametrize("reason", [Reason.NEEDS_PERSON, Reason.BREAKER_OPEN])
def test_commands_are_quoted_for_a_shell(reason):
    """Roles write the ids and names, and a person pastes the command into a shell."""
    hostile = "i;touch /tmp/x #"
    approval = msgspec.structs.replace(PENDING_APPROVAL, id=hostile)
    box = build_reference("c1", hostile, "", {})
    outcome = complete(outcome=Outcome.REFUSED, reason=reason, container=box)
    items = look(event(outcome, incident=hostile), approvals=[approval])
    assert [shlex.split(item.command)[-1] for item in items] == [hostile, hostile]
