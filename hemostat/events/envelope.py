"""The envelope of events: its encoding, its schema, and the derivation of ids."""

import hashlib
import inspect
from typing import Any, Final, Self

import msgspec

from hemostat.errors import DecodeError
from hemostat.events.data import (
    ContainerStats,
    Decided,
    FalseAlarm,
    HealthAlert,
    Heartbeat,
    Order,
    RemediationComplete,
    RemediationNeeded,
)
from hemostat.events.fields import Epoch
from hemostat.events.fitting import encode_data, is_finite
from hemostat.events.words import Kind

VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024
"""Larger messages are refused unread: evidence is stored beside the stream, not in it."""
MAX_TIME: Final = 250_000_000_000.0
"""The latest time that a calendar can show in every time zone, epoch seconds: in the year 9892."""
MAX_GROWTH: Final = 8
"""By how much an event may grow when it is encoded again: `9e15` becomes `9000000000000000.0`."""
MAX_DATA_BYTES: Final = MAX_BYTES - 16 * 1024
"""Maximum bytes of an event's data, which leaves room for the envelope."""


Payload = (
    HealthAlert
    | RemediationNeeded
    | FalseAlarm
    | RemediationComplete
    | Order
    | Decided
    | ContainerStats
    | Heartbeat
)

TYPES: Final[dict[str, type[Payload]]] = {
    "health_alert": HealthAlert,
    "remediation_needed": RemediationNeeded,
    "false_alarm": FalseAlarm,
    "remediation_complete": RemediationComplete,
    "order": Order,
    "decision": Decided,
    "container_stats": ContainerStats,
    "heartbeat": Heartbeat,
}
"""Maps an event type, which is also the channel's suffix, to the shape of its data."""

FLEETING: Final = ("container_stats", "heartbeat")
"""The types that only refresh a screen."""
DURABLE: Final = tuple(name for name in TYPES if name not in FLEETING)
"""The types that can change an action, or record one, and so are sent by stream."""

_NAMES: Final = {shape: name for name, shape in TYPES.items()}


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The envelope. `time` is epoch seconds, UTC; `source` is role@instance; `cause` is an event's id."""

    id: str
    type: str
    version: int
    time: Epoch
    host: str
    source: str
    incident: str | None
    cause: str | None
    data: Payload

    @classmethod
    def make(
        cls,
        data: Payload,
        *,
        time: float,
        host: str,
        source: str,
        incident: str | None = None,
        cause: str | None = None,
    ) -> Self:
        """Wrap `data`, reduced to what can be sent (`fitting`). The id sorts by time and is derived, so that
        the same event has the same id."""
        name = _NAMES[type(data)]
        data, raw = encode_data(data, MAX_DATA_BYTES)
        content = msgspec.json.encode((name, time, host, source, incident, cause, msgspec.Raw(raw)))
        return cls(
            id=f"{int(time * 1000):012x}-{digest(content)}",
            type=name,
            version=VERSION,
            time=time,
            host=host,
            source=source,
            incident=incident,
            cause=cause,
            data=data,
        )


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event whose data is JSON."""

    id: str
    type: str
    version: int
    time: float
    host: str
    source: str
    incident: str | None = None
    cause: str | None = None
    data: msgspec.Raw


class _EarlierData(msgspec.Struct):
    told: tuple[str, ...] = ()


class _EarlierEvent(msgspec.Struct):
    data: _EarlierData


def digest(content: bytes, size: int = 5) -> str:
    return hashlib.blake2s(content, digest_size=size).hexdigest()


def incident_id(host: str, container_id: str, kind: Kind, since: float) -> str:
    """Return the incident's id. It is derived, not random, so that the same failure has the same id before
    and after a restart."""
    return digest(f"{host}\n{container_id}\n{kind}\n{since:.6f}".encode())


def seal(order: Order, time: float) -> str:
    """Return the hash of an order and its time: an order with other content, or given again, has another
    one. The hash covers the empty field `told`, which orders had once: stored seals stay valid."""
    content = msgspec.json.encode(order).removesuffix(b"}") + b',"told":[]}'
    return digest(content + f"{time:.6f}".encode(), 16)


def order_id(host: str, order: Order, time: float) -> str:
    """Return the order's id, derived like that of an incident: an order is an incident of its own."""
    return digest(f"{host}\n{seal(order, time)}".encode())


def read_earlier_note(raw: bytes) -> tuple[str, ...]:
    """Return the reasons to wait that an earlier version noted in an event that it deferred."""
    if b'"told":["' not in raw:
        return ()
    try:
        return msgspec.json.decode(raw, type=_EarlierEvent).data.told
    except msgspec.DecodeError:
        return ()


def encode(event: Event) -> bytes:
    """Return an event that `decode` reads. Optional data are left out where it is too large (`fitting`).

    Raises ValueError where nothing more can be left out, and for an envelope that is too large or not finite.
    """
    _, data = encode_data(event.data, MAX_DATA_BYTES)
    raw = msgspec.json.encode(
        _Envelope(
            id=event.id,
            type=event.type,
            version=event.version,
            time=event.time,
            host=event.host,
            source=event.source,
            incident=event.incident,
            cause=event.cause,
            data=msgspec.Raw(data),
        )
    )
    if len(raw) > MAX_BYTES or not 0 <= event.time <= MAX_TIME:
        raise ValueError(f"event of {len(raw)} bytes at {event.time} cannot be sent")
    return raw


def decode(raw: bytes) -> Event:
    """Read one event.

    Raises DecodeError for an event that is too large, malformed, of an unknown type or version, or has a
    number out of range; also for one that would be too large when it is stored or recorded.
    """
    if len(raw) > MAX_BYTES:
        raise DecodeError(f"event of {len(raw)} bytes is larger than {MAX_BYTES}")
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        _require_known(envelope)
        data: Payload = msgspec.json.decode(envelope.data, type=TYPES[envelope.type])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not an event: {error}") from None
    if not 0 <= envelope.time <= MAX_TIME or not is_finite(data):
        raise DecodeError("not an event: a number is out of range")
    event = Event(
        id=envelope.id,
        type=envelope.type,
        version=envelope.version,
        time=envelope.time,
        host=envelope.host,
        source=envelope.source,
        incident=envelope.incident,
        cause=envelope.cause,
        data=data,
    )
    if len(raw) > MAX_BYTES // MAX_GROWTH:
        try:
            encode(event)
        except ValueError as error:
            raise DecodeError(f"not an event: {error}") from None
    return event


def _require_known(envelope: _Envelope) -> None:
    if envelope.version != VERSION:
        raise DecodeError(f"event version {envelope.version} is not {VERSION}")
    if envelope.type not in TYPES:
        raise DecodeError(f"event type {envelope.type!r} is unknown")


def schema(*, ref: str = "#/$defs/{name}") -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of every event type: `$defs` by shape, `oneOf` over the envelopes.
    `ref` is the template of references to a shape."""
    shapes, components = msgspec.json.schema_components(tuple(TYPES.values()), ref_template=ref)
    string, number = {"type": "string"}, {"type": "number"}
    optional = {"anyOf": [string, {"type": "null"}]}

    def envelope(name: str, data: dict[str, Any]) -> dict[str, Any]:
        properties = {
            "id": string,
            "type": {"const": name},
            "version": {"const": VERSION},
            "time": number,
            "host": string,
            "source": string,
            "incident": optional,
            "cause": optional,
            "data": data,
        }
        required = [key for key in properties if key not in {"incident", "cause"}]
        return {"type": "object", "properties": properties, "required": required}

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "HemoStat events",
        "oneOf": [envelope(name, shape) for name, shape in zip(TYPES, shapes, strict=True)],
        "$defs": normalize_schema(components),
    }


def normalize_schema(node: Any) -> Any:
    """Return the schema in one form for all versions of msgspec: some leave docstrings indented, and some
    list null first."""
    if isinstance(node, list):
        return [normalize_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    normal = {key: normalize_schema(value) for key, value in node.items()}
    if isinstance(normal.get("description"), str):
        normal["description"] = inspect.cleandoc(normal["description"])
    if isinstance(normal.get("anyOf"), list):
        normal["anyOf"].sort(key={"type": "null"}.__eq__)
    return normal
