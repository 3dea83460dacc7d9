"""What travels between the roles: it survives the way, and what is no event is refused."""

import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.errors import DecodeError
from hemostat.events import DURABLE, MAX_BYTES, TYPES, decode, encode, incident_id, schema
from tests.support import samples


def changed(**fields) -> bytes:
    return json.dumps({**json.loads(encode(samples.ALL[0])), **fields}).encode()


def test_every_type_has_a_sample():
    assert [event.type for event in samples.ALL] == list(TYPES)
    assert set(DURABLE) < set(TYPES)


@pytest.mark.parametrize("event", samples.ALL, ids=lambda event: event.type)
def test_event_is_unchanged_by_encoding(event):
    assert decode(encode(event)) == event


@pytest.mark.parametrize("event", samples.ALL, ids=lambda event: event.type)
def test_an_event_satisfies_the_schema(event):
    jsonschema.Draft202012Validator(schema()).validate(json.loads(encode(event)))


def test_schema_is_valid_and_refuses_other_objects():
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    assert not validator.is_valid(json.loads(changed(type="gossip")))
    assert not validator.is_valid(json.loads(changed(data={"kind": "exited"})))


def test_unknown_fields_are_ignored():
    data = {**json.loads(encode(samples.ALL[0]))["data"], "mood": "grim"}
    assert decode(changed(weather="rain", data=data)) == samples.ALL[0]


def test_stats_of_an_older_monitor_are_read():
    told = samples.event(samples.stats(received=1200, sent=34))
    raw = json.loads(encode(told))
    del raw["data"]["received"], raw["data"]["sent"]
    assert decode(json.dumps(raw).encode()).data == samples.stats()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not an event"),
        (b"\xff\xfe", "not an event"),
        (b"[]", "not an event"),
        (b"[" * 100_000, "not an event"),
        (changed(version=2), "version 2 is not 1"),
        (changed(type="gossip"), "type 'gossip' is unknown"),
        (changed(time="noon"), "not an event"),
        (changed(time=1e300), "out of range"),
        (changed(time=-1), "out of range"),
        (changed(data={}), "not an event"),
        (b" " * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_invalid_event_is_refused(raw, message):
    with pytest.raises(DecodeError, match=message):
        decode(raw)


@pytest.mark.parametrize("number", ["1e300", "9" * 400, "-1e19"])
def test_event_with_a_number_out_of_range_is_refused(number):
    raw = encode(samples.ALL[0]).replace(b'"window":0.0', f'"window":{number}'.encode())
    with pytest.raises(DecodeError, match="out of range"):
        decode(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_decode_error(raw):
    try:
        decode(raw)
    except DecodeError as error:
        assert str(error)  # noqa: PT017 - either outcome is right, another exception is not


def test_event_ids_are_stable_and_sort_by_time():
    first, again, later = samples.event(samples.alert()), samples.event(samples.alert()), samples.ALL[3]
    assert first.id == again.id
    assert first.id < later.id
    assert samples.event(samples.alert(occurrence=2)).id != first.id


def test_incident_id_does_not_depend_on_the_observer():
    named = incident_id("h", "c1", samples.alert().kind, samples.NOW)
    assert named == incident_id("h", "c1", samples.alert().kind, samples.NOW)
    assert named != incident_id("other", "c1", samples.alert().kind, samples.NOW)


def test_evidence_is_found_by_name():
    alert = samples.alert()
    assert alert.get_fact("exit_code") == 1.0
    assert alert.get_fact("cpu") is None
    assert alert.get_number("cpu", 7.0) == 7.0


def test_events_cannot_be_changed():
    with pytest.raises(AttributeError):
        samples.ALL[0].host = "elsewhere"
    assert msgspec.structs.replace(samples.ALL[0], host="elsewhere") != samples.ALL[0]


def test_the_schema_does_not_depend_on_the_version_of_msgspec(monkeypatch):
    """Older ones leave docstrings indented, and list null first."""
    components, newest = msgspec.json.schema_components, schema()

    def older(node):
        if isinstance(node, list):
            return [older(each) for each in node]
        if not isinstance(node, dict):
            return node
        changed = {key: older(value) for key, value in node.items()}
        if isinstance(changed.get("description"), str):
            changed["description"] = changed["description"].replace("\n", "\n    ")
        if "anyOf" in changed:
            changed["anyOf"].sort(key={"type": "null"}.__ne__)
        return changed

    monkeypatch.setattr(msgspec.json, "schema_components", lambda *a, **k: older(list(components(*a, **k))))
    assert schema() == newest
