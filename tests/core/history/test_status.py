"""What is running, open and failing, from the stored events."""

import pytest

from hemostat.core.history.status import build_status, format_state, get_replacement_key
from hemostat.events import Container, Kind, State
from tests.support.samples import CLEARED, NOW, alert, complete, event, heartbeat, stats


def build(*events, now: float = NOW, expected=("monitor",), history=(), **fields):
    beats = [each for each in events if each.data.__class__.__name__ == "Heartbeat"]
    others = [each for each in events if each not in beats]
    return build_status(beats, others, history, expected=expected, now=now, **fields)


@pytest.mark.parametrize(("age", "is_stale"), [(4.0, False), (4.1, True), (-9.0, False)])
def test_role_is_stale_after_two_missed_heartbeats(age, is_stale):
    (role,) = build(event(heartbeat()), now=NOW + age).roles
    assert (role.stale, role.fault, role.age) == (is_stale, is_stale, pytest.approx(max(0.0, age)))


def test_role_shows_what_its_heartbeat_says():
    beat = heartbeat("responder", lag=3, trouble="no engine", warnings=("w",), mode="auto")
    status = build(event(beat))
    (role,) = status.roles
    assert (role.role, role.host, role.instance, role.pid) == ("responder", "h", "h-1", 1)
    assert (role.lag, role.trouble, role.warnings, role.mode) == (3, "no engine", ("w",), "auto")
    assert role.fault
    assert (status.running, status.missing) == (True, ("monitor",))
    assert status.modes == {"h": "auto"}


def test_no_heartbeat_means_that_nothing_runs():
    status = build()
    assert (status.running, status.missing, status.buried) == (False, ("monitor",), 0)
    assert build(buried=2).buried == 2


def test_failing_roles_are_listed_first():
    beats = [
        event(heartbeat("monitor", instance="b")),
        event(heartbeat("monitor", instance="a")),
        event(heartbeat("alert", trouble="x")),
        event(heartbeat("analyzer")),
    ]
    assert [(role.role, role.instance) for role in build(*beats).roles] == [
        ("alert", "h-1"),
        ("analyzer", "h-1"),
        ("monitor", "a"),
        ("monitor", "b"),
    ]


def test_modes_of_one_host_are_joined_if_they_differ():
    beats = [
        event(heartbeat("responder", instance="a", mode="dry-run")),
        event(heartbeat("responder", instance="b", mode="auto")),
        event(heartbeat("responder", instance="c", mode="auto"), host="g"),
        event(heartbeat("monitor")),
    ]
    assert build(*beats).modes == {"g": "auto", "h": "auto and dry-run"}


# --- containers -------------------------------------------------------------------------------------


def see(name: str = "web", labels=None, **state):
    container = Container(id=name, name=name, labels=labels or {})
    return event(stats(container=container, state=State(**{"status": "running", **state})))


@pytest.mark.parametrize(
    ("state", "is_fault"),
    [
        ({}, False),
        ({"health": "healthy"}, False),
        ({"health": "unhealthy"}, True),
        ({"status": "restarting"}, True),
        ({"status": "dead"}, True),
        ({"status": "exited", "exit_code": 1}, False),
    ],
)
def test_container_is_failing_by_its_state(state, is_fault):
    (container,) = build(see(**state)).containers
    assert container.fault is is_fault
    assert container.exit_code == state.get("exit_code")


def test_exit_code_is_shown_of_an_exited_container_only():
    (container,) = build(see(status="running", exit_code=0)).containers
    assert container.exit_code is None


def test_container_with_an_open_incident_is_failing_and_first():
    history = [
        event(alert()),
        event(alert(kind=Kind.OOM), 1, incident="i2"),
        event(alert(), incident="i3", host="g"),
    ]
    first, *rest = build(see("api"), see("web"), history=history).containers
    assert (first.name, first.fault, set(first.incidents)) == ("web", True, {"exited", "oom"})
    assert [(each.name, each.fault, each.incidents) for each in rest] == [("api", False, ())]


def test_unusable_labels_of_a_container_are_named():
    (container,) = build(see(labels={"hemostat.cpu": "many"})).containers
    assert len(container.label_mistakes) == 1
    assert "hemostat.cpu" in container.label_mistakes[0]


# --- incidents --------------------------------------------------------------------------------------


def test_open_incidents_are_listed_newest_first():
    history = [
        event(alert()),
        event(alert(since=NOW + 5), 5, incident="i2"),
        event(alert(), 6, incident="i3"),
        event(complete(), 8, incident="i3"),
        event(alert(), 7, incident="i4"),
        event(CLEARED, 8, incident="i4"),
    ]
    status = build(now=NOW + 60, history=history)
    assert [(each.incident, each.age) for each in status.incidents] == [("i2", 55.0), ("i1", 60.0)]
    assert status.incidents[0].container == "web"
    assert "exited" in status.incidents[0].last


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"status": "running", "health": "unhealthy"}, "unhealthy"),
        ({"status": "running"}, "running"),
        ({"status": "exited", "exit_code": 3, "health": "unhealthy"}, "exited 3"),
        ({"status": "paused", "exit_code": 3}, "paused"),
    ],
)
def test_state_is_shown_in_a_word(state, text):
    assert format_state(State(**state)) == text


def test_recreated_container_replaces_its_earlier_values():
    assert get_replacement_key(see("web")) == "h/web"
    assert get_replacement_key(event(heartbeat())) == "monitor@h-1"
