"""What is encoded can be decoded, whatever an event holds; only what it can do without is left out."""

import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemostat.errors import DecodeError
from hemostat.events import (
    MAX_BYTES,
    Container,
    Diagnosis,
    Evidence,
    Figure,
    State,
    decode,
    encode,
    order_id,
    seal,
)
from tests.support import samples

LARGE = "\x01" * 20_000
"""Six bytes a character as JSON."""
HUGE = Container(id="c1", name=LARGE, image=LARGE, labels={f"{n}{LARGE}": LARGE for n in range(50)})
PROTECTED = Container(id="c1", name="web", labels={"hemostat.protect": "true", "x": LARGE * 9})
MANY = tuple(f"{number}{LARGE}" for number in range(20))
FACTS = tuple(Evidence(f"fact{number}", LARGE) for number in range(50))
NOT_FINITE = (math.inf, -math.inf, math.nan, 1e308, 10**400, -(10**400))


def written(data):
    raw = encode(samples.event(data))
    assert len(raw) <= MAX_BYTES
    return decode(raw).data


@pytest.mark.parametrize(
    "data",
    [
        samples.alert(container=HUGE),
        samples.alert(downstream=MANY),
        samples.alert(evidence=FACTS),
        samples.alert(root=LARGE * 9),
        samples.needed(alert=samples.alert(container=HUGE, evidence=FACTS, downstream=MANY)),
        samples.complete(container=HUGE, alert=samples.alert(container=HUGE), detail=LARGE * 9),
        samples.complete(diagnosis=Diagnosis(cause=LARGE, confidence=1.0, reasons=MANY)),
        samples.complete(after=State(status=LARGE * 9), durations=dict.fromkeys(MANY, 1.0)),
        samples.order(container=HUGE, reason=LARGE * 9),
        samples.decided(container=LARGE * 9),
        samples.stats(container=HUGE),
        samples.heartbeat(trouble=LARGE * 9, warnings=MANY),
        samples.heartbeat(figures=tuple(Figure(name, MANY, 5) for name in MANY)),
    ],
)
def test_data_of_any_size_gives_a_readable_event(data):
    assert type(written(data)) is type(data)


def test_names_of_dependents_are_dropped_first():
    alert = samples.alert(downstream=MANY, downstream_count=50)
    assert written(alert) == msgspec.structs.replace(alert, downstream=())


def test_protection_labels_are_never_dropped():
    assert written(samples.alert(container=PROTECTED)).container.labels == {"hemostat.protect": "true"}


def test_action_parameters_are_complete_or_absent():
    told = samples.needed(alert=samples.alert(container=HUGE), parameters={"command": "x" * 100_000})
    assert written(told).parameters == told.parameters
    with pytest.raises(ValueError, match="larger than"):
        encode(
            samples.ALL[1].__class__.make(
                samples.needed(parameters={"command": LARGE * 9}), time=1.0, host="h", source="s"
            )
        )


@pytest.mark.parametrize("number", NOT_FINITE)
def test_numbers_in_events_are_finite(number):
    for data in (
        samples.alert(window=number, since=number, evidence=(Evidence("x", number), Evidence("y", 1.0))),
        samples.complete(durations={"act": number}, after=State(status="x", started_at=number)),
        samples.needed(parameters={"cpus": number}),
        samples.stats(cpu=number, memory=number if isinstance(number, int) else 0),
        samples.heartbeat(started=number, lag=number if isinstance(number, int) else 0),
    ):
        written(data)
    assert written(samples.alert(evidence=(Evidence("x", number), Evidence("y", 1.0)))).get_number("y") == 1.0


def test_event_is_equal_after_encoding():
    """A seal is of what was sent: else no responder would find an order that was given."""
    order = samples.order(container=HUGE, parameters={"cpus": math.inf}, reason="\ud800")
    event = samples.event(order)
    assert decode(encode(event)) == event
    assert seal(decode(encode(event)).data, 1.0) == seal(event.data, 1.0)
    assert order_id("h", event.data, 1.0)


def test_lone_surrogates_are_encodable():
    alert = samples.alert(container=Container(id="c1", name="\ud800web", labels={"\udfff": "\ud800"}))
    assert written(alert).container.name == "\ufffdweb"


def test_unreadable_envelope_is_not_written():
    with pytest.raises(ValueError, match="cannot be sent"):
        encode(msgspec.structs.replace(samples.ALL[0], time=math.inf))
    with pytest.raises(ValueError, match="cannot be sent"):
        encode(msgspec.structs.replace(samples.ALL[0], host="h" * MAX_BYTES))


@pytest.mark.parametrize(
    ("container", "durations", "envelope"),
    [
        ({}, {f"{number:x}": 0 for number in range(16_000)}, {"host": "h" * 100_000}),
        ({}, {f"{number:x}": 9e12 for number in range(9_000)}, {"incident": "i" * 100_000}),
        ({"id": "i" * 250_000}, {}, {}),
    ],
)
def test_event_that_cannot_be_written_again_is_not_read(container, durations, envelope):
    """It would be lost when it is stored, and end a recording. The sender chooses how numbers are written."""
    fields = msgspec.json.decode(encode(samples.event(samples.complete())))
    fields["data"]["container"] |= container
    fields["data"]["durations"] = durations
    raw = (
        json.dumps(fields | envelope, separators=(",", ":"))
        .replace("00000000000.0", "e11")
        .replace(".0", "")
        .encode()
    )
    assert len(raw) <= MAX_BYTES
    with pytest.raises(DecodeError, match=r"larger than|cannot be sent"):
        decode(raw)


texts = st.text(st.characters(), max_size=50) | st.sampled_from(["\x01" * 300, "\ud800", "\0", "\u202e"])
numbers = st.floats() | st.integers() | st.sampled_from(NOT_FINITE)
containers = st.builds(Container, id=texts, name=texts, image=texts, labels=st.dictionaries(texts, texts))
evidence = st.builds(Evidence, texts, numbers | texts | st.booleans(), texts)
alerts = st.builds(
    samples.alert,
    container=containers,
    since=numbers,
    window=numbers,
    evidence=st.lists(evidence, max_size=9).map(tuple),
    root=texts,
    downstream=st.lists(texts, max_size=9).map(tuple),
)
orders = st.builds(samples.order, container=containers, by=texts, reason=texts)


@settings(max_examples=50)
@given(alerts | orders | st.builds(samples.needed, alert=alerts) | st.builds(samples.complete, alert=alerts))
def test_encoded_event_decodes_to_the_same(data):
    event = samples.event(data)
    assert decode(encode(event)) == event
