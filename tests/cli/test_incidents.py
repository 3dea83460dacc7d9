"""`hemostat waiting`, `acknowledge` and `close`."""

import time

import msgspec
import pytest

from hemostat.core.labels.container_ref import build_reference
from hemostat.events import Outcome
from tests.support.samples import alert, complete, event

pytestmark = pytest.mark.redis

DB = build_reference("c2", "db", "", {})


@pytest.fixture
def escalated(bus):
    """Two incidents of web and one of db that HemoStat has left to people, and one that it works on."""
    for incident, container, outcome in (
        ("a1f0e1", None, Outcome.ESCALATED),
        ("a1f0e2", None, Outcome.FAILED),
        ("b1f0e3", DB, Outcome.ESCALATED),
        ("d1f0e4", build_reference("c3", "cache", "", {}), Outcome.WAITING),
    ):
        changes = {} if container is None else {"container": container}
        bus.publish(
            [
                event(alert(**changes), incident=incident),
                event(complete(outcome=outcome, **changes), 1.0, incident=incident),
            ]
        )
    return bus


def list_incidents(hemostat) -> dict[str, str]:
    items = hemostat("waiting", "--json").json
    return {each["id"]: each["acknowledged_by"] for each in items if each["id"]}


def test_incident_is_acknowledged_and_then_closed(hemostat, escalated):
    assert list_incidents(hemostat) == {"a1f0e1": "", "a1f0e2": "", "b1f0e3": ""}
    said = hemostat("acknowledge", "db", "--by", "ann", "--reason", "mine")
    assert (said.code, said.out) == (0, "acknowledged: db, exited (b1f0e3)\n")
    assert list_incidents(hemostat) == {"a1f0e1": "", "a1f0e2": "", "b1f0e3": "ann"}
    assert "acknowledged by ann" in hemostat("status").out
    assert hemostat("close", "b1f0", "--by", "ann").code == 0
    assert list_incidents(hemostat) == {"a1f0e1": "", "a1f0e2": ""}
    decisions = [each.data for each in escalated.read_recent("decision", 9)]
    assert [(each.what, each.by, each.reason) for each in decisions] == [
        ("acknowledged", "ann", "mine"),
        ("closed", "ann", ""),
    ]
    assert {each.incident for each in escalated.read_recent("decision", 9)} == {"b1f0e3"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("web", "2 open incidents match 'web': give an id, such as a1f0e1 (exited), a1f0e2 (exited)"),
        ("a1f0", "2 open incidents match 'a1f0': give an id, such as a1f0e1 (exited), a1f0e2 (exited)"),
        ("b1f", "no open incident is named 'b1f': see: hemostat waiting"),
        ("", "no open incident is named '': see: hemostat waiting"),
        ("nothing", "no open incident is named 'nothing': see: hemostat waiting"),
        ("cache", "HemoStat still works on incident d1f0e4: waits: see: hemostat incident show d1f0e4"),
    ],
)
def test_close_refuses_what_is_not_one_settled_incident(hemostat, escalated, name, message):
    said = hemostat("close", name)
    assert (said.code, said.err) == (2, f"hemostat: {message}\n")
    assert list(escalated.read_recent("decision", 9)) == []


@pytest.mark.parametrize("outcome", [Outcome.ESCALATED, Outcome.HEALED])
@pytest.mark.parametrize("name", ["b1f0e3", "b1f0"])
def test_container_named_like_an_incident_is_not_taken_for_it(hemostat, escalated, name, outcome):
    box = build_reference("c9", name, "", {})
    escalated.publish([event(complete(container=box, outcome=outcome), 2.0, incident="e1f0e5")])
    said = hemostat("close", name)
    if name == "b1f0e3":
        assert said.out == "closed: db, exited (b1f0e3)\n"
    elif outcome is Outcome.ESCALATED:
        assert said.out == "closed: b1f0, exited (e1f0e5)\n"
    else:
        assert said.err == "hemostat: no open incident is named 'b1f0': see: hemostat waiting\n"


def test_closed_incident_cannot_be_closed_again(hemostat, escalated):
    hemostat("close", "b1f0e3")
    said = hemostat("close", "b1f0e3")
    assert said.err == "hemostat: incident b1f0e3 is not open: closed: see: hemostat waiting\n"


def test_status_counts_what_waits(hemostat, escalated):
    items = hemostat("waiting", "--json").json
    assert hemostat("status", "--json").json["waiting"] == items
    text = hemostat("waiting").out
    assert all(each["command"] in text for each in items)


def test_waiting_fails_without_redis(hemostat):
    assert hemostat("waiting").code == 3


def test_waiting_says_from_when_on_it_lists_incidents(hemostat, escalated, monkeypatch):
    monkeypatch.setattr("hemostat.cli.status.waiting_list.MAX_EVENTS_PER_STREAM", 5)
    assert "not listed" not in hemostat("waiting").out
    now = time.time()
    flood = [event(complete(), incident=f"f{number}") for number in range(5)]
    escalated.publish([msgspec.structs.replace(each, time=now) for each in flood])
    assert "are not listed, because 5 outcomes followed" in hemostat("waiting").out
    assert "are not listed, because 5 outcomes followed" in hemostat("waiting", "--json").err


@pytest.mark.parametrize("seconds", [0, 120])
def test_incident_is_closed_with_a_clock_behind_the_hosts(hemostat, bus, seconds):
    bus.publish(
        [msgspec.structs.replace(event(complete(outcome=Outcome.ESCALATED)), time=time.time() + seconds)]
    )
    assert hemostat("close", "web").code == 0
    assert list_incidents(hemostat) == {}
