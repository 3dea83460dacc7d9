"""A memo is restored in what can be read of it, and written without what cannot be written."""

import json
from math import inf, nan

import msgspec
import pytest

from hemostat.core.detection.event_cursor import Cursor
from hemostat.core.detection.incidents import Incident
from hemostat.core.detection.monitor_state import MonitorState, decode_state, encode_state
from hemostat.core.detection.stop_intent import PendingExit, StopRequest
from hemostat.core.detection.watched_container import RestoredContainers
from hemostat.events import Container, Kind

WEB = Incident(id="i", kind=Kind.EXITED, container=Container(id="w", name="web"), since=5.0)
BAD = msgspec.structs.replace(WEB, id="b", container=Container(id="e", name="evil"))
PAST = RestoredContainers(
    stops={"w": StopRequest(time=1.0, until=2.0)},
    deaths={"w": (1.0, 2.0)},
    held={"w": PendingExit(exit_code=1, time=1.0, due=2.0)},
    incidents=(WEB,),
    kills=True,
    mode="auto",
)
MEMO = MonitorState(cursor=Cursor(9.0, {"9.0 die w": 9.0}), past=PAST)


def replaced(**changes: object) -> MonitorState:
    return msgspec.structs.replace(MEMO, past=msgspec.structs.replace(PAST, **changes))


def test_state_is_read_back_as_written():
    raw, lost = encode_state(MEMO)
    assert decode_state(raw) == (MEMO, lost)
    assert lost == []


@pytest.mark.parametrize("number", [inf, -inf, nan])
def test_unwritable_entry_is_dropped_alone(number):
    window = msgspec.structs.replace(BAD, window=number)
    raw, lost = encode_state(
        replaced(incidents=(WEB, window), deaths={"e": (number,), "w": (1.0, 2.0)}, began=number)
    )
    assert decode_state(raw) == (MEMO, [])
    assert sorted(lost) == ["past.began", "past.deaths.e", "past.incidents.1"]


def test_unencodable_text_drops_its_entry():
    surrogate = msgspec.structs.replace(BAD, container=Container(id="e", name="\ud800"))
    raw, lost = encode_state(replaced(incidents=(surrogate, WEB), clean_ends={"\ud800": 1}))
    assert (decode_state(raw)[0], len(lost)) == (MEMO, 2)


SPOILT = {
    "null": None,
    "text": "x",
    "list": [[[]]],
    "object": {"kind": "a kind of the future", "id": 1},
    "number": 10**400,
    "infinity": inf,
}


@pytest.mark.parametrize("value", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("field", ["incidents", "ended"])
def test_unreadable_incident_affects_no_other(field, value):
    found = json.loads(encode_state(MEMO)[0])
    found["past"][field] = [value, msgspec.to_builtins(WEB)]
    memo, lost = decode_state(json.dumps(found).encode())
    assert getattr(memo.past, field) == (WEB,)
    assert (memo.cursor, memo.past.stops, lost) == (MEMO.cursor, PAST.stops, [f"past.{field}.0"])


@pytest.mark.parametrize("value", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("field", ["stops", "deaths", "held", "awaited", "runs", "habits"])
def test_unreadable_entry_affects_no_other_container(field, value):
    found = json.loads(encode_state(MEMO)[0])
    found["past"].setdefault(field, {})["e"] = value
    memo, _ = decode_state(json.dumps(found).encode())
    assert (memo.cursor, memo.past.incidents, memo.past.mode) == (MEMO.cursor, (WEB,), "auto")
    assert getattr(memo.past, field).get("w") == getattr(PAST, field).get("w")


def test_malformed_field_is_dropped_alone():
    found = json.loads(encode_state(MEMO)[0])
    found["past"] |= {"kills": "often", "stops": 7, "new": 1}
    memo, lost = decode_state(json.dumps(found).encode())
    assert (memo.past.incidents, memo.past.stops, sorted(lost)) == ((WEB,), {}, ["past.kills", "past.stops"])


@pytest.mark.parametrize("raw", [b"", b"\xff", b"{", b"[]", b"1", b"[" * 100_000], ids=len)
def test_invalid_state_is_refused(raw):
    with pytest.raises(ValueError, match=r"."):
        decode_state(raw)


def test_labels_of_any_length_do_not_fill_the_state():
    labels = {"hemostat.exec": "x" * 4096, "hemostat.depends_on": "y" * 4096, "hemostat.mode": "approve"}
    labels |= {f"com.docker.swarm.{number}": "z" * 256 for number in range(50)}
    large = msgspec.structs.replace(BAD, container=Container(id="e", name="evil", labels=labels))
    raw, lost = encode_state(replaced(incidents=(WEB, large), ended=(large,)))
    assert len(raw) < 10_000
    read, _ = decode_state(raw)
    assert read.past.incidents[0] == WEB
    kept = read.past.incidents[1].container
    assert (kept.id, kept.labels["hemostat.mode"], lost) == ("e", "approve", [])
