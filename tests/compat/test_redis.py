"""What a former version left in Redis: the present code reads every row, and writes it back as it was.

Roles of two versions share one Redis while they are restarted one after another. So a row that is read and
written again must have the fields that were recorded.
"""

import json
from typing import Any

import msgspec
import pytest

from hemostat.adapters.redis import (
    RedisAuditAnchor,
    RedisBus,
    RedisControls,
    RedisEvidence,
    RedisLedger,
    RedisLlmBudget,
    RedisOutbox,
    RedisPrecedents,
    RedisRecentEvents,
)
from hemostat.core.detection.monitor_state import decode_state, encode_state
from hemostat.core.diagnosis.case import compute_signature
from hemostat.events import DURABLE, encode, seal
from hemostat.streams import ROLES, STORE_ROLE
from tests.compat.play import HOST
from tests.compat.record import STORE_URL, as_read_now, place, without_note

pytestmark = pytest.mark.redis

CONTAINERS = ("web", "queue", "worker", "broken", "slow")
FAR = 1e11
"""A time (epoch seconds) at which everything is due."""


def plain(value: Any) -> Any:
    """As it is written to Redis."""
    return json.loads(msgspec.json.encode(value))


def names(recorded, prefix):
    return [
        key.removeprefix(f"hemostat:{prefix}") for key in recorded if key.startswith(f"hemostat:{prefix}")
    ]


def by_key(rows):
    return {row["key"]: row for row in plain(rows)}


def test_every_recorded_row_can_be_read(command):
    assert json.loads(command("repair", "--json")) == []


# --- ledger and controls ---


@pytest.mark.parametrize("container", CONTAINERS)
def test_attempts_on_a_container_are_as_recorded(loaded, values, container):
    ledger = RedisLedger(loaded)
    assert by_key(ledger.list_attempts(HOST, container)) == values(f"ledger:{HOST}:of:{container}")
    assert "aside" not in ledger.check(HOST)


def test_attempts_of_the_host_are_as_recorded(loaded, values):
    book = RedisLedger(loaded).read_host(HOST)
    assert by_key(book.running_attempts) == values(f"ledger:{HOST}:running")
    assert plain(book.ended_attempts) == sorted(values(f"ledger:{HOST}:ended"), key=lambda each: each["time"])
    assert book.version == int(values(f"ledger:{HOST}:version"))


def test_raised_limits_are_as_recorded(loaded, values):
    scaled = RedisLedger(loaded).list_raised_limits(HOST)
    assert plain(scaled) == list(values(f"ledger:{HOST}:scaled").values())


def test_raised_limit_can_be_dropped(loaded):
    ledger = RedisLedger(loaded)
    scaled = ledger.list_raised_limits(HOST)
    assert [ledger.remove_raised_limit(HOST, each) for each in scaled] == [True] * len(scaled)
    assert ledger.list_raised_limits(HOST) == []


def test_stop_by_a_person_is_as_recorded(loaded, values):
    book = RedisLedger(loaded).read(HOST, "leaving")
    assert plain(book.manual_stop) == values(f"ledger:{HOST}:stop:leaving")


def test_pauses_and_resets_are_as_recorded(loaded, values):
    controls = RedisControls(loaded).read_controls()
    assert plain(controls.pauses) == values("control:pauses")
    assert plain(controls.resets) == {name: float(time) for name, time in values("control:resets").items()}


def test_approvals_are_as_recorded(loaded, values):
    assert by_key(RedisControls(loaded).list_approvals()) == values("approvals")


def test_the_ledger_finds_the_approval_of_a_request(loaded, values):
    ledger = RedisLedger(loaded)
    for key, approval in values("approvals").items():
        book = ledger.read(HOST, approval["container"], approval["incident"], key)
        assert plain(book.approval) == approval


def test_notes_of_an_incident_are_as_recorded(loaded, recorded, values):
    ledger = RedisLedger(loaded)
    notes = names(recorded, f"incident:{HOST}:")
    for incident in [each for each in notes if ":" not in each]:
        book = ledger.read(HOST, "", incident, f"{incident}:1:0")
        assert book.alerted_container == values(f"incident:{HOST}:{incident}")
        assert [book.notes.latest] == values(f"incident:{HOST}:{incident}:latest")
        assert book.notes.alert is not None
        assert bool(book.notes.over) == (f"{incident}:over" in notes)


def test_orders_keep_their_seals(loaded, recorded):
    orders = RedisBus(loaded).read_recent("order", 100)
    assert len(orders) == len(names(recorded, f"seal:{HOST}:"))
    for order in orders:
        book = RedisLedger(loaded).read(HOST, order.data.container.name, order.incident)
        assert book.seal == seal(order.data, order.time)


# --- streams ---


@pytest.mark.parametrize("stream", sorted(DURABLE))
def test_events_of_a_stream_are_as_recorded(loaded, values, stream):
    entries = RedisBus(loaded).read_after(stream, "0", 1000)
    readable = [each for each in entries if each.event is not None]
    expected = [each["event"] for each in values(stream)["entries"].values()]
    assert [json.loads(encode(each.event)) for each in readable] == [
        without_note(each) for each in expected if isinstance(each, dict)
    ]
    assert [each.reported for each in readable] == [
        tuple(each["data"].get("told", ())) for each in expected if isinstance(each, dict)
    ]
    assert [each.raw.decode() for each in entries if each.event is None] == [
        each for each in expected if isinstance(each, str)
    ]


@pytest.mark.parametrize("role", [*ROLES, STORE_ROLE], ids=lambda role: role.name)
def test_role_resumes_where_the_older_version_stopped(loaded, values, role):
    """What the former process was given and did not finish is taken over; what it finished is not."""
    bus, group = RedisBus(loaded), role.make_group_name(HOST)
    for stream in role.reads:
        state = values(stream)["groups"].get(group, {"pending": []})
        taken = bus.claim(group, "next", [stream], idle=0.0)
        assert [each.id for each in taken] == [entry for entry, *_ in state["pending"]]
        new = bus.read(group, "next", [stream], count=1000, timeout=0.01)
        later = [each for each in values(stream)["entries"] if order_of(each) > order_of(state["last_id"])]
        assert [each.id for each in new] == later


def order_of(entry: str) -> tuple[int, ...]:
    return tuple(int(part) for part in entry.split("-"))


def test_deferred_requests_are_as_recorded(loaded, recorded):
    group = f"responder:{HOST}"
    key = f"hemostat:deferred:remediation_needed:{group}"
    expected = [json.loads(member.partition("\x1f")[2]) for member in recorded[key]["value"]]
    bus = RedisBus(loaded)
    due = bus.read_due(group, ["remediation_needed"], FAR, count=100)
    assert sorted((json.loads(encode(each.event)) for each in due.entries), key=str) == sorted(
        map(without_note, expected), key=str
    )
    assert bus.requeue(group, due.entries) == len(expected)


def test_reasons_that_the_former_version_reported_are_not_reported_again(loaded):
    group, stream = f"responder:{HOST}", "remediation_needed"
    bus = RedisBus(loaded)
    due = bus.read_due(group, [stream], FAR, count=100).entries
    reported = {each.event.incident: each.reported for each in due}
    assert sorted(reported.values()) == [("approval",), ("paused",)]
    bus.postpone(group, [(each, FAR + 1) for each in due])
    assert bus.read_due(group, [stream], FAR, count=100).entries == []
    assert bus.requeue_due(group, [stream], FAR + 1) == len(due)
    read = bus.read(group, "next", [stream], count=1000, timeout=0.01)
    for entry in read[-len(due) :]:
        assert entry.reported == reported[entry.event.incident]
        later = msgspec.structs.replace(entry, notes=("min_healthy",))
        bus.defer(group, later, FAR)
    again = bus.read_due(group, [stream], FAR, count=100).entries
    assert {each.event.incident: each.reported for each in again} == {
        incident: (*reasons, "min_healthy") for incident, reasons in reported.items()
    }


def test_dead_letters_are_as_recorded(loaded, values):
    bus, letters = RedisBus(loaded), values("dead")["entries"]
    assert bus.count_dead_letters() == len(letters)
    newest = bus.read_last_dead_letter()
    assert newest is not None
    assert (newest.id, newest.error) == (max(letters), letters[max(letters)]["error"])


def test_monitor_state_is_as_recorded(loaded, values):
    raw = RedisBus(loaded).load_state(f"monitor:{HOST}")
    assert raw is not None
    memo, lost = decode_state(raw)
    assert lost == []
    assert json.loads(encode_state(memo)[0]) == values(f"memo:monitor:{HOST}")


@pytest.mark.parametrize("stream", ["container_stats", "heartbeat"])
def test_last_values_are_as_recorded(loaded, recorded, values, stream):
    listed = recorded[f"hemostat:live:{stream}"]["value"]
    last = RedisBus(loaded).read_last_values(stream)
    assert sorted((json.loads(encode(each)) for each in last), key=str) == sorted(
        (as_read_now(values(key.removeprefix("hemostat:"))) for key in listed), key=str
    )


def test_the_latest_points_of_a_container_are_as_recorded(loaded, values):
    points = RedisBus(loaded).read_metrics(HOST, "worker")
    assert plain(points) == values(f"history:{HOST}:worker")


# --- evidence, precedents, the model's budget, notifications, events, audit trail ---


def test_evidence_is_as_recorded(loaded, recorded, values):
    dossiers = RedisEvidence(loaded)
    for incident in names(recorded, "evidence:"):
        kept = dossiers.get(incident)
        assert {f"{each.occurrence}:{each.rung}": plain(each) for each in kept} == values(
            f"evidence:{incident}"
        )


def test_precedents_are_as_recorded(loaded, recorded, values):
    for signature in names(recorded, "past:"):
        past = plain(RedisPrecedents(loaded).list_precedents(signature))
        assert past == sorted(values(f"past:{signature}").values(), key=lambda each: each["time"])


def test_alerts_find_the_precedents_of_the_former_version(loaded, recorded):
    alerts = [each.data for each in RedisBus(loaded).read_recent("health_alert", 1000)]
    found = {compute_signature(alert) for alert in alerts}
    assert set(names(recorded, "past:")) <= found


def test_llm_costs_are_as_recorded(loaded, values):
    version, spent = RedisLlmBudget(loaded).read()
    assert version == int(values("advisor:version"))
    assert {each["id"]: each for each in plain(spent)} == values("advisor:spent")


@pytest.mark.parametrize("channel", ["ops", "night"])
def test_pending_notifications_are_as_recorded(loaded, recorded, values, channel):
    taken = RedisOutbox(loaded).take(channel, FAR, lease=60.0, count=1000)
    assert {word.incident: plain(word) for word, _ in taken} == values(f"outbox:{channel}:news")
    sent = names(recorded, f"told:{channel}:")
    assert {word.incident for word, told in taken if told} == {word.incident for word, _ in taken} & set(sent)


def test_pending_notification_can_be_settled(loaded):
    """Only a row that is written as it was recorded is removed."""
    outbox = RedisOutbox(loaded)
    taken = outbox.take("night", FAR, lease=60.0, count=1000)
    outbox.settle("night", [word for word, _ in taken], is_sent=True)
    assert outbox.count_waiting("night") == 0


def test_recorded_events_are_recognised_as_known(loaded, recorded):
    bus, store = RedisBus(loaded), RedisRecentEvents(loaded)
    known = set(names(recorded, "event:"))
    events = [each for stream in DURABLE for each in bus.read_recent(stream, 1000) if each.id in known]
    assert events
    assert store.append(events) == []


def test_audit_anchor_is_as_recorded(loaded, recorded, values):
    at = place(STORE_URL)
    trail = values(f"audit:store:{at}")["trail"]
    expected = values(f"audit:{trail}")
    noted = RedisAuditAnchor(loaded).read_notes(trail, at)
    assert noted.trail == trail
    assert noted.signed == int(expected["signed"])
    for which in ("head", "anchor"):
        end = getattr(noted, which)
        assert (end.number, end.hash.hex()) == (int(expected[which]), expected[f"{which}:hash"])
